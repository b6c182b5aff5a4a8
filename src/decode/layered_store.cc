#include "decode/layered_store.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <system_error>
#include <utility>

#include "base/bytes.h"
#include "base/file.h"
#include "base/hash.h"
#include "checkpoint/checkpoint_files.h"
#include "decode/plain_slice.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

std::string file_of(const WeightStore& store, const StoredWeight& stored) {
  return store.checkpoint().shards()[stored.shard].path().string();
}

Error foreign(const WeightStore& store, const StoredWeight& stored, std::string why) {
  return Error(ErrorCode::kMismatch, std::move(why)).in_file(file_of(store, stored)).in_tensor(stored.info.name);
}

// What to do about a layer that cannot be taken.
std::string remedy_for(const Difference& difference) {
  if (difference.kind == Difference::Kind::kDelta)
    return "name the checkpoint that it was made from with --base, as it was then";
  return "fetch it again with the files that it belongs to, or do without: --layers " +
         std::to_string(difference.layer);
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// Seen from where the delta really lies, which its path does not tell where it is a link; as short as that allows.
fs::path expected_base(const fs::path& directory, const Difference& difference) {
  fs::path found = directory / difference.base_path;
  fs::path normal = found.lexically_normal();
  std::error_code ignored;
  return is_folder(found) && !fs::equivalent(found, normal, ignored) ? found : normal;
}

// A slice as a matrix of the stream has it.
Slice slice_of(const TensorDecoder& decoder, const WeightSlice& s) {
  return decoder.header().transposed ? Slice{s.matrix, s.column_begin, s.column_end, s.row_begin, s.row_end}
                                     : Slice{s.matrix, s.row_begin, s.row_end, s.column_begin, s.column_end};
}

bool is_whole(const WeightSlice& s, const WeightInfo& info) {
  return info.matrices() == 1 && s.row_begin == 0 && s.row_end == info.rows() && s.column_begin == 0 &&
         s.column_end == info.columns();
}

}  // namespace

uint64_t OpenedWeight::row_granularity() const {
  uint64_t rows = 1;
  for (const std::optional<TensorDecoder>& decoder : decoders) {
    if (decoder && !decoder->header().transposed) rows = std::max(rows, decoder->row_granularity());
  }
  return rows;
}

Result<LayeredStore> LayeredStore::open(const fs::path& directory, const WeightsOptions& options) {
  LayeredStore store;
  store.directory_ = directory;
  if (options.layers && (*options.layers == 0 || *options.layers > kMostLayers))
    return Error(ErrorCode::kInvalidArgument, "layers are counted from 1 to " + std::to_string(kMostLayers));
  NWC_ASSIGN_OR_RETURN(WeightStore own, WeightStore::open_layer(directory, options.backend));
  if (own.difference() == nullptr) {
    if (!options.base.empty()) {
      return Error(ErrorCode::kInvalidArgument, "is no delta, and has no base").in_file(directory.string());
    }
    NWC_RETURN_IF_ERROR(store.add_first(std::move(own)));
    NWC_RETURN_IF_ERROR(store.add_refinements(options));
    return store;
  }
  const Difference difference = *own.difference();
  if (difference.kind == Difference::Kind::kRefinement) {
    return Error(ErrorCode::kMismatch, "holds a refinement, which is no checkpoint by itself")
        .in_file(directory.string())
        .remedy("give the directory that it lies in");
  }
  const fs::path base = !options.base.empty() ? options.base : expected_base(directory, difference);
  const auto of_base = [&](Error error) {
    return std::move(error).remedy("the base of the delta " + directory.string() +
                                   ": put it there, or name it with --base");
  };
  if (!is_folder(base)) {
    return of_base(Error(ErrorCode::kNotFound, "there is no such directory").in_file(base.string()));
  }
  NWC_ASSIGN_OR_RETURN(WeightStore first, WeightStore::open_layer(base));
  if (first.difference() != nullptr)
    return Error(ErrorCode::kMismatch, "is a difference itself, and no delta has one for its base")
        .in_file(base.string())
        .remedy(remedy_for(difference));
  if (!first.is_compressed()) {
    return of_base(Error(ErrorCode::kMismatch, "is not a checkpoint compressed by nwcodec").in_file(base.string()));
  }
  store.directory_ = base;
  NWC_RETURN_IF_ERROR(store.add_first(std::move(first)));
  NWC_RETURN_IF_ERROR(store.add_refinements({.layers = difference.layer}));
  store.notes_.clear();  // how many layers of its base a delta wants is its own business
  store.directory_ = directory;
  store.first_own_ = store.layers_.size();
  NWC_RETURN_IF_ERROR(store.add(std::move(own)));
  NWC_RETURN_IF_ERROR(store.add_refinements({.layers = options.layers}));
  return store;
}

Status LayeredStore::add_first(WeightStore store) {
  layers_.push_back(std::move(store));
  for (const auto& [name, stored] : layers_[0].weights())
    weights_.emplace(name, LayeredWeight{stored.info, {{0, &stored}}, stored.shard});
  return {};
}

Status LayeredStore::add_refinements(const WeightsOptions& options) {
  const unsigned most = options.layers.value_or(kMostLayers);
  unsigned number = 1;
  for (; number < most && is_folder(directory_ / refinement_folder(number)); ++number) {
    const fs::path folder = directory_ / refinement_folder(number);
    NWC_ASSIGN_OR_RETURN(WeightStore store, WeightStore::open_layer(folder));
    const Difference* const difference = store.difference();
    if (difference == nullptr || difference->kind != Difference::Kind::kRefinement || difference->layer != number) {
      return Error(ErrorCode::kMismatch, "does not hold refinement " + std::to_string(number))
          .in_file(folder.string())
          .remedy("fetch it again, or do without: --layers " + std::to_string(number));
    }
    NWC_RETURN_IF_ERROR(add(std::move(store)));
  }
  if (options.layers && number < most) {
    return Error(ErrorCode::kNotFound, "there is no such layer: the checkpoint here has " + std::to_string(number))
        .in_file((directory_ / refinement_folder(number)).string())
        .remedy("fetch it, or ask for --layers " + std::to_string(number));
  }
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> names, list_directory(directory_));
  unsigned all = 1;
  while (is_folder(directory_ / refinement_folder(all))) ++all;
  for (const std::string& name : names) {
    if (!is_refinement_folder(name) || !is_folder(directory_ / name)) continue;
    if (std::stoul(name.substr(name.find('-') + 1)) > all)
      notes_.push_back(name + " is not read: there is no " + refinement_folder(all));
  }
  return {};
}

// Whether a tensor of a difference directory goes with what is below. `below`: null if there is none of its name.
Status LayeredStore::tie(const WeightStore& store, const StoredWeight& stored, LayeredWeight* below) const {
  const Difference& difference = *store.difference();
  const bool refines = difference.kind == Difference::Kind::kRefinement;
  if (!stored.base) {
    if (!refines) return {};
    return foreign(store, stored, "is no difference, and stands in a refinement");
  }
  if (below == nullptr) {
    return foreign(store, stored, "is a difference, and its base has no tensor of this name")
        .remedy(remedy_for(difference));
  }
  const StoredWeight& under = *below->last().stored;
  if (*stored.base != under.identity) {
    return foreign(store, stored,
                   "is a difference from another tensor than that of " + file_of(layers_[below->last().layer], under) +
                       ", which is not its base")
        .remedy(remedy_for(difference));
  }
  if (stored.info.shape != below->info.shape)
    return foreign(store, stored, "is a difference from a tensor of another shape");
  if (refines && under.stream == nullptr)
    return foreign(store, stored, "refines a tensor that its base has not compressed");
  if (under.stream == nullptr && !is_weight_dtype(under.info.dtype))
    return foreign(store, stored, "is a difference from numbers that are no F32, F16 or BF16");
  return {};
}

Status LayeredStore::add(WeightStore added) {
  const Difference& difference = *added.difference();
  const bool is_base = difference.base == identity();
  for (const auto& [name, stored] : added.weights()) {  // before the whole, to name the tensor that does not fit
    const auto below = weights_.find(name);
    NWC_RETURN_IF_ERROR(tie(added, stored, below == weights_.end() ? nullptr : &below->second));
  }
  if (!is_base) {
    return Error(ErrorCode::kMismatch, "holds differences from another checkpoint than " +
                                           layers_[0].checkpoint().directory().string() +
                                           ": tensors that it takes from there are not the same")
        .in_file(added.checkpoint().shards()[0].path().string())
        .remedy(remedy_for(difference));
  }
  const size_t number = layers_.size();
  layers_.push_back(std::move(added));
  const size_t last_shard = layers_[0].checkpoint().shards().size() - 1;
  for (const auto& [name, stored] : layers_[number].weights()) {
    LayeredWeight& weight = weights_.try_emplace(name, LayeredWeight{{}, {}, last_shard}).first->second;
    if (!stored.base) weight.parts.clear();
    weight.parts.push_back({number, &stored});
    weight.info = stored.info;
  }
  return {};
}

uint64_t LayeredStore::identity() const {
  std::string bytes;
  for (const auto& [name, weight] : weights_) {
    bytes += name;
    bytes += '\0';
    std::byte number[8];
    store_le(number, weight.last().stored->identity);
    bytes.append(reinterpret_cast<const char*>(number), sizeof number);
  }
  return xxh3(bytes);
}

Result<OpenedWeight> LayeredStore::open_weight(const LayeredWeight& weight) const {
  OpenedWeight opened{&weight, {}};
  for (const LayeredWeight::Part& part : weight.parts) {
    std::optional<TensorDecoder>& decoder = opened.decoders.emplace_back();
    if (part.stored->stream == nullptr) continue;
    NWC_ASSIGN_OR_RETURN(decoder, layers_[part.layer].open_stream(*part.stored));
  }
  return opened;
}

Status LayeredStore::decode_part(const OpenedWeight& opened, size_t part, const WeightSlice& slice, DType dtype,
                                 std::span<std::byte> out, int threads) const {
  const LayeredWeight::Part& p = opened.weight->parts[part];
  const WeightStore& layer = layers_[p.layer];
  const std::optional<TensorDecoder>& decoder = opened.decoders[part];
  if (decoder) return layer.decode(*p.stored, *decoder, slice_of(*decoder, slice), dtype, out, threads);
  if (is_whole(slice, p.stored->info)) NWC_RETURN_IF_ERROR(layer.verify_plain(*p.stored));
  return copy_plain_slice(p.stored->plain->bytes, p.stored->info, slice, dtype, out);
}

Status LayeredStore::decode(const OpenedWeight& opened, const WeightSlice& slice, DType dtype, std::span<std::byte> out,
                            int threads) const {
  const LayeredWeight& weight = *opened.weight;
  if (weight.parts.size() == 1) return decode_part(opened, 0, slice, dtype, out, threads);
  if (!is_weight_dtype(dtype)) {
    return Error(ErrorCode::kInvalidArgument, "weights decode to F32, F16 or BF16, not " + std::string(name_of(dtype)));
  }
  const size_t elements = (slice.row_end - slice.row_begin) * (slice.column_end - slice.column_begin);
  std::vector<float> sum(elements), layer(elements);
  for (size_t part = 0; part < weight.parts.size(); ++part) {
    std::vector<float>& to = part == 0 ? sum : layer;
    NWC_RETURN_IF_ERROR(decode_part(opened, part, slice, DType::kF32, std::as_writable_bytes(std::span(to)), threads));
    for (size_t i = 0; part > 0 && i < elements; ++i) sum[i] += layer[i];
  }
  constexpr float kLargest = std::numeric_limits<float>::max();
  for (float& value : sum) value = std::clamp(value, -kLargest, kLargest);
  convert_floats(DType::kF32, std::as_bytes(std::span(sum)), dtype, out);
  return {};
}

Status LayeredStore::decode_all(const OpenedWeight& opened, DType dtype, std::span<std::byte> out, int threads) const {
  const LayeredWeight& weight = *opened.weight;
  if (weight.parts.size() == 1)
    return layers_[weight.parts[0].layer].decode_all(*weight.alone(), *opened.decoders[0], dtype, out, threads);
  const WeightInfo& info = weight.info;
  if (info.elements() == 0) return {};
  const size_t size = out.size() / info.matrices();
  for (uint64_t m = 0; m < info.matrices(); ++m) {
    const WeightSlice whole{m, 0, info.rows(), 0, info.columns()};
    NWC_RETURN_IF_ERROR(decode(opened, whole, dtype, out.subspan(m * size, size), threads));
  }
  return {};
}

void LayeredStore::release(const LayeredWeight& weight) const {
  for (const LayeredWeight::Part& part : weight.parts) {
    const SafetensorsFile& shard = layers_[part.layer].checkpoint().shards()[part.stored->shard];
    shard.release(part.stored->stream != nullptr ? *part.stored->stream : *part.stored->plain);
  }
}

Status check_one_layer(const fs::path& directory) {
  if (!is_folder(directory / refinement_folder(1))) return {};
  return Error(ErrorCode::kUnsupported, "has refinements, which this does not read")
      .in_file((directory / refinement_folder(1)).string())
      .remedy("leave them out with nwcodec trim --layers 1, or decompress the checkpoint first");
}

std::vector<std::string> notes_of(const LayeredStore& store) {
  std::vector<std::string> notes;
  for (const WeightStore& layer : store.layers()) {
    const Checkpoint& checkpoint = layer.checkpoint();
    notes.insert(notes.end(), checkpoint.notes().begin(), checkpoint.notes().end());
    for (const std::string& file : checkpoint.unread_files())
      notes.push_back(file + " is not read: weights that are not part of the checkpoint");
  }
  notes.insert(notes.end(), store.notes().begin(), store.notes().end());
  return notes;
}

}  // namespace nwc
