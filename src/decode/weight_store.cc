#include "decode/weight_store.h"

#include <cstring>

#include "base/bytes.h"
#include "base/half.h"
#include "checkpoint/index.h"
#include "format/checkpoint_config.h"
#include "format/stream_header.h"

namespace nwc {
namespace {

std::optional<std::string> without_suffix(const std::string& name, const std::string& suffix) {
  if (!name.ends_with(suffix)) return std::nullopt;
  return name.substr(0, name.size() - suffix.size());
}

// Streams, scales and levels are vectors of one dtype each.
Status check_vector(const TensorView& tensor, DType dtype, const SafetensorsFile& shard) {
  std::string why;
  if (tensor.dtype != dtype)
    why = "has dtype " + std::string(name_of(tensor.dtype)) + " instead of " + std::string(name_of(dtype));
  if (why.empty() && tensor.shape.size() != 1)
    why = "has " + std::to_string(tensor.shape.size()) + " dimensions instead of 1";
  if (why.empty()) return {};
  return Error(ErrorCode::kCorrupt, std::move(why)).in_file(shard.path().string()).in_tensor(tensor.name);
}

bool has_streams(const Checkpoint& checkpoint) {
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    for (const TensorView& tensor : checkpoint.tensors(shard)) {
      if (tensor.name.ends_with(kStreamSuffix)) return true;
    }
  }
  return false;
}

}  // namespace

Result<WeightStore> WeightStore::open(const std::filesystem::path& directory, std::shared_ptr<DecodeBackend> backend) {
  NWC_ASSIGN_OR_RETURN(WeightStore store, open_layer(directory, std::move(backend)));
  if (store.difference() == nullptr) return store;
  const bool is_delta = store.difference()->kind == Difference::Kind::kDelta;
  return Error(ErrorCode::kMismatch, is_delta ? "holds differences from another checkpoint, which this does not read"
                                              : "holds a refinement, which is no checkpoint by itself")
      .in_file(directory.string())
      .remedy(is_delta ? "decompress it first, with its base beside it" : "give the directory that it lies in");
}

Result<WeightStore> WeightStore::open_layer(const std::filesystem::path& directory,
                                            std::shared_ptr<DecodeBackend> backend) {
  NWC_ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::open(directory));
  WeightStore store(std::move(checkpoint));
  store.backend_ = std::move(backend);
  NWC_ASSIGN_OR_RETURN(store.difference_, difference_of(store.checkpoint_));
  std::error_code ignored;
  const std::filesystem::path codec_path = directory / kCodecFileName;
  if (has_streams(store.checkpoint_) || store.difference_ || std::filesystem::exists(codec_path, ignored)) {
    NWC_ASSIGN_OR_RETURN(Codec codec, Codec::open(codec_path));
    store.codec_ = std::make_unique<Codec>(std::move(codec));
    NWC_RETURN_IF_ERROR(check_compressed_config(directory, store.codec_->id()));
  }
  for (const SafetensorsFile& shard : store.checkpoint_.shards()) {
    Result<Checksums> checksums = Checksums::of(shard);
    if (checksums) {
      store.checksums_.emplace_back(*std::move(checksums));
    } else if (checksums.error().code() == ErrorCode::kNotFound && !store.is_compressed()) {
      store.checksums_.emplace_back(std::nullopt);
    } else {
      return std::move(checksums).error();
    }
  }
  NWC_RETURN_IF_ERROR(store.tie_tensors());
  return store;
}

Status WeightStore::tie_tensors() {
  for (size_t s = 0; s < checkpoint_.shards().size(); ++s) {
    const SafetensorsFile& shard = checkpoint_.shards()[s];
    // First the streams, so that scales and levels find theirs.
    for (const TensorView& tensor : checkpoint_.tensors(shard)) {
      const std::optional<std::string> name = without_suffix(tensor.name, kStreamSuffix);
      if (!is_compressed() || !name) continue;
      NWC_RETURN_IF_ERROR(check_vector(tensor, DType::kU8, shard));
      StoredWeight weight{.shard = s, .stream = &tensor};
      weight.info.name = *name;
      const Result<ParsedStream> parsed = parse_stream(tensor.bytes);
      if (!parsed) return locate(parsed.error(), weight, tensor);
      // Callers allocate by the shape that we tell them, so it must be one that the tiles can hold.
      const StreamHeader& header = parsed->header;
      if (Status status = check_tiles_hold_shape(*parsed, codec_->parts().chunk_length()); !status)
        return locate(std::move(status).error(), weight, tensor);
      weight.info.dtype = header.dtype;
      weight.info.shape = header.shape();
      weight.info.compressed = true;
      weight.identity = parsed->identity;
      weight.base = header.base;
      if (weight.base && !difference_)
        return locate(Error(ErrorCode::kMismatch, "stream holds a difference, and its shard says nothing of a base"),
                      weight, tensor);
      if (!weights_.emplace(*name, std::move(weight)).second) {
        return Error(ErrorCode::kMismatch, "stands in the checkpoint both plain and compressed")
            .in_file(shard.path().string())
            .in_tensor(*name);
      }
    }
    for (const TensorView& tensor : checkpoint_.tensors(shard)) {
      if (tensor.name == kChecksumTensorName || (is_compressed() && tensor.name.ends_with(kStreamSuffix))) continue;
      const std::optional<std::string> scaled = without_suffix(tensor.name, kScalesSuffix),
                                       levelled = without_suffix(tensor.name, kLevelsSuffix);
      if (is_compressed() && (scaled || levelled)) {
        const auto owner = weights_.find(scaled ? *scaled : *levelled);
        if (owner == weights_.end() || owner->second.stream == nullptr || owner->second.shard != s) {
          return Error(ErrorCode::kMismatch, "has no stream beside it")
              .in_file(shard.path().string())
              .in_tensor(tensor.name);
        }
        NWC_RETURN_IF_ERROR(check_vector(tensor, scaled ? DType::kF16 : DType::kU8, shard));
        (scaled ? owner->second.scales : owner->second.levels) = &tensor;
        continue;
      }
      StoredWeight weight{.info = {tensor.name, tensor.dtype, tensor.shape, false}, .shard = s, .plain = &tensor};
      if (checksums_[s]) weight.identity = checksums_[s]->of_tensor(tensor.name).value_or(0);
      if (!weights_.emplace(tensor.name, std::move(weight)).second) {
        return Error(ErrorCode::kMismatch, "stands in the checkpoint both plain and compressed")
            .in_file(shard.path().string())
            .in_tensor(tensor.name);
      }
    }
  }
  for (const auto& [name, weight] : weights_) {
    if (weight.stream != nullptr && weight.scales == nullptr) {
      return locate(Error(ErrorCode::kNotFound, "has a stream but no scales"), weight, *weight.stream);
    }
  }
  return {};
}

Result<TensorDecoder> WeightStore::open_stream(const StoredWeight& weight) const {
  const Checksums& checksums = *checksums_[weight.shard];
  NWC_RETURN_IF_ERROR(checksums.verify(*weight.scales));
  if (weight.levels != nullptr) NWC_RETURN_IF_ERROR(checksums.verify(*weight.levels));
  const std::span<const std::byte> levels =
      weight.levels != nullptr ? weight.levels->bytes : std::span<const std::byte>();
  Result<TensorDecoder> decoder =
      TensorDecoder::open(weight.info.name, weight.stream->bytes, weight.scales->bytes, levels, *codec_);
  if (!decoder) return locate(std::move(decoder).error(), weight, *weight.stream);
  if (decoder->header().has_levels != (weight.levels != nullptr)) {
    return locate(
        Error(ErrorCode::kMismatch, "importance levels are there but the stream says no, or the other way round"),
        weight, *weight.stream);
  }
  return decoder;
}

Status WeightStore::decode(const StoredWeight& weight, const TensorDecoder& decoder, const Slice& slice, DType dtype,
                           std::span<std::byte> out, int threads) const {
  Status status;
  if (backend_ == nullptr) {
    status = decoder.decode_slice(slice, dtype, out, threads);
  } else if (status = decoder.check_slice(slice, dtype, out.size()); status && !out.empty()) {
    const std::span<const std::byte> levels =
        weight.levels != nullptr ? weight.levels->bytes : std::span<const std::byte>();
    const std::lock_guard lock(*one_at_a_time_);
    status = backend_->decode({weight.info.name, weight.stream->bytes, weight.scales->bytes, levels, slice.matrix,
                               slice.row_begin, slice.row_end, slice.column_begin, slice.column_end, dtype},
                              out);
  }
  if (!status) return locate(std::move(status).error(), weight, *weight.stream);
  return {};
}

Status WeightStore::decode_all(const StoredWeight& weight, const TensorDecoder& decoder, DType dtype,
                               std::span<std::byte> out, int threads) const {
  const StreamHeader& h = decoder.header();
  if (backend_ == nullptr || h.elements() == 0) {
    if (Status status = decoder.decode(dtype, out, threads); !status)
      return locate(std::move(status).error(), weight, *weight.stream);
    return {};
  }
  const size_t size = out.size() / h.matrices;  // of one; decode() compares it with the slice
  for (uint64_t m = 0; m < h.matrices; ++m) {
    NWC_RETURN_IF_ERROR(
        decode(weight, decoder, {m, 0, h.rows, 0, h.columns}, dtype, out.subspan(m * size, size), threads));
  }
  return {};
}

Status WeightStore::verify_plain(const StoredWeight& weight) const {
  if (!checksums_[weight.shard]) return {};
  return checksums_[weight.shard]->verify(*weight.plain);
}

Status WeightStore::verify_stream(const StoredWeight& weight) const {
  return checksums_[weight.shard]->verify(*weight.stream);
}

Error WeightStore::locate(Error error, const StoredWeight& weight, const TensorView& view) const {
  return std::move(error)
      .shift_offset(view.file_offset)
      .in_file(checkpoint_.shards()[weight.shard].path().string())
      .in_tensor(weight.info.name);
}

namespace {

template <class T>
float to_float(DType type, T bits) {
  if constexpr (sizeof(T) == 4) return std::bit_cast<float>(bits);
  return type == DType::kF16 ? float_from_half(static_cast<uint16_t>(bits))
                             : float_from_bf16(static_cast<uint16_t>(bits));
}

template <class From, class To>
void convert(DType from_type, const std::byte* from, DType to_type, std::byte* to, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const float value = to_float(from_type, load_le<From>(from + i * sizeof(From)));
    if constexpr (sizeof(To) == 4) {
      store_le(to + 4 * i, value);
    } else {
      store_le(to + 2 * i, to_type == DType::kF16 ? half_from_float(value) : bf16_from_float(value));
    }
  }
}

}  // namespace

void convert_floats(DType from_type, std::span<const std::byte> from, DType to_type, std::span<std::byte> to) {
  if (from_type == to_type) {
    std::memcpy(to.data(), from.data(), from.size());
    return;
  }
  const bool wide_from = from_type == DType::kF32, wide_to = to_type == DType::kF32;
  const size_t n = from.size() / (wide_from ? 4 : 2);
  if (wide_from) return convert<uint32_t, uint16_t>(from_type, from.data(), to_type, to.data(), n);
  if (wide_to) return convert<uint16_t, uint32_t>(from_type, from.data(), to_type, to.data(), n);
  convert<uint16_t, uint16_t>(from_type, from.data(), to_type, to.data(), n);
}

}  // namespace nwc
