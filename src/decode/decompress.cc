#include "nwcodec/decompress.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/exceptions.h"
#include "checkpoint/content_hash.h"
#include "checkpoint/index.h"
#include "checkpoint/resumable_directory.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/side_files.h"
#include "decode/layered_store.h"
#include "decode/narrowing.h"
#include "decode/range_losses.h"
#include "format/checkpoint_config.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kPieceBytes = 32u << 20;  // decoded or copied at a time

DType target_dtype(const LayeredWeight& weight, const DecompressOptions& options) {
  return options.dtype && is_weight_dtype(weight.info.dtype) ? *options.dtype : weight.info.dtype;
}

class ShardReader {
 public:
  ShardReader(const LayeredStore& store, const DecompressOptions& options, const Progress& progress)
      : store_(store), options_(options), progress_(progress), losses_(options.dtype.value_or(DType::kF32)) {
    for (const auto& [name, weight] : store.weights()) total_ += weight.info.elements();
  }

  Status write(size_t shard, const fs::path& path) {
    const SafetensorsFile& file = store_.layers()[0].checkpoint().shards()[shard];
    std::vector<PlannedTensor> plan;
    std::vector<const LayeredWeight*> weights;
    for (const auto& [name, weight] : store_.weights()) {
      if (weight.home != shard) continue;
      weights.push_back(&weight);
      plan.push_back({name, target_dtype(weight, options_), weight.info.shape});
    }
    std::map<std::string, std::string> metadata = file.metadata();
    metadata.erase(kVersionKey);
    NWC_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                         SafetensorsWriter::create(path, std::move(plan), {}, std::move(metadata), {}));
    for (const LayeredWeight* weight : weights) {
      const StoredWeight* const alone = weight->alone();
      const bool is_plain = alone != nullptr && alone->plain != nullptr;
      NWC_RETURN_IF_ERROR(is_plain ? copy(*weight, writer) : decode(*weight, writer));
      store_.release(*weight);
      done_ += weight->info.elements();
      progress_.at(done_, total_, weight->info.name);
    }
    return writer.finish();
  }

  const RangeLosses& losses() const { return losses_; }

 private:
  // Decodes pieces of whole rows: those are contiguous in the file.
  Status decode(const LayeredWeight& weight, SafetensorsWriter& writer) {
    NWC_ASSIGN_OR_RETURN(const OpenedWeight opened, store_.open_weight(weight));
    const WeightInfo& info = weight.info;
    const DType dtype = target_dtype(weight, options_);
    const uint64_t element = bits_of(dtype) / 8;
    const uint64_t lines = info.rows(), line_elements = info.columns(), granularity = opened.row_granularity();
    const uint64_t step =
        std::max<uint64_t>(1, kPieceBytes / std::max<uint64_t>(1, line_elements * element * granularity)) * granularity;
    // Counting needs the numbers before they are rounded; rounded afterwards, they are the same.
    const bool narrowing = has_wider_range(weight.info.dtype, dtype);
    NarrowingLoss loss;
    uint64_t offset = 0;
    for (uint64_t matrix = 0; info.elements() > 0 && matrix < info.matrices(); ++matrix) {
      for (uint64_t begin = 0; begin < lines; begin += step) {
        NWC_RETURN_IF_ERROR(progress_.check_stop());
        const uint64_t end = std::min(lines, begin + step);
        const WeightSlice slice{matrix, begin, end, 0, line_elements};
        const uint64_t count = (end - begin) * line_elements;
        buffer_.resize(count * element);
        if (narrowing) {
          wide_.resize(count * sizeof(float));
          NWC_RETURN_IF_ERROR(store_.decode(opened, slice, DType::kF32, wide_, options_.threads));
          NWC_ASSIGN_OR_RETURN(const NarrowingLoss piece, narrow(DType::kF32, wide_, dtype, buffer_, options_.threads));
          loss += piece;
        } else {
          NWC_RETURN_IF_ERROR(store_.decode(opened, slice, dtype, buffer_, options_.threads));
        }
        NWC_RETURN_IF_ERROR(writer.write(weight.info.name, offset, buffer_));
        offset += buffer_.size();
      }
    }
    losses_.add(weight.info, loss);
    return {};
  }

  Status copy(const LayeredWeight& weight, SafetensorsWriter& writer) {
    const StoredWeight& stored = *weight.alone();
    NWC_RETURN_IF_ERROR(store_.layers()[weight.last().layer].verify_plain(stored));
    const DType from = weight.info.dtype, to = target_dtype(weight, options_);
    const std::span<const std::byte> bytes = stored.plain->bytes;
    const bool narrowing = is_weight_dtype(from) && has_wider_range(from, to);
    NarrowingLoss loss;
    uint64_t offset = 0;
    for (uint64_t at = 0; at < bytes.size(); at += kPieceBytes) {
      NWC_RETURN_IF_ERROR(progress_.check_stop());
      std::span<const std::byte> piece = bytes.subspan(at, std::min(kPieceBytes, bytes.size() - at));
      if (from != to) {
        buffer_.resize(piece.size() * bits_of(to) / bits_of(from));
        if (narrowing) {
          NWC_ASSIGN_OR_RETURN(const NarrowingLoss lost, narrow(from, piece, to, buffer_, options_.threads));
          loss += lost;
        } else {
          convert_floats(from, piece, to, buffer_);
        }
        piece = buffer_;
      }
      NWC_RETURN_IF_ERROR(writer.write(weight.info.name, offset, piece));
      offset += piece.size();
    }
    losses_.add(weight.info, loss);
    return {};
  }

  const LayeredStore& store_;
  const DecompressOptions& options_;
  const Progress& progress_;
  uint64_t done_ = 0, total_ = 0;
  std::vector<std::byte> buffer_, wide_;
  RangeLosses losses_;
};

// Checksums stand for the contents of compressed shards: every byte is compared with them when it is read.
Result<RunIdentity> identity_of(const DecompressOptions& options, const LayeredStore& store) {
  RunIdentity identity("decompress");
  identity.add("dtype", options.dtype ? name_of(*options.dtype) : "as before");
  if (options.backend != nullptr) identity.add("device", "other than the CPU");  // may round otherwise
  for (size_t l = 0; l < store.layers().size(); ++l) {
    const Checkpoint& checkpoint = store.layers()[l].checkpoint();
    const std::string of_layer = l == 0 ? "" : " of layer " + std::to_string(l + 1);
    NWC_RETURN_IF_ERROR(identity.add_file("codec" + of_layer, checkpoint.directory() / kCodecFileName));
    for (const SafetensorsFile& shard : checkpoint.shards()) {
      const std::string name = "weights " + shard.path().filename().string() + of_layer;
      identity.add_hash(name, checksummed_content_hash(shard, options.threads));
    }
  }
  return identity;
}

Result<DecompressReport> decompress(const DecompressOptions& options, const Progress& progress) {
  DecompressReport report;
  if (options.dtype && !is_weight_dtype(*options.dtype)) {
    return Error(ErrorCode::kInvalidArgument,
                 "weights decompress to F32, F16 or BF16, not " + std::string(name_of(*options.dtype)));
  }
  const ResumableDirectory::Request request{.path = options.output, .inputs = {options.input}, .force = options.force};
  NWC_ASSIGN_OR_RETURN(ResumableDirectory output, ResumableDirectory::lock(request));
  const WeightsOptions choice{.layers = options.layers, .base = options.base, .backend = options.backend};
  NWC_ASSIGN_OR_RETURN(const LayeredStore store, LayeredStore::open(options.input, choice));
  if (!store.is_compressed()) {
    return Error(ErrorCode::kInvalidArgument, "is not a checkpoint compressed by nwcodec")
        .in_file(options.input.string())
        .remedy("give what nwcodec compress wrote");
  }
  const Checkpoint& checkpoint = store.layers()[0].checkpoint();  // whose files the output has
  NWC_ASSIGN_OR_RETURN(const RunIdentity identity, identity_of(options, store));
  NWC_RETURN_IF_ERROR(output.begin(identity));

  ShardReader reader(store, options, progress);
  WeightMap weight_map;
  uint64_t total_size = 0;
  size_t kept = 0;  // shards of an earlier run
  std::error_code ignored;
  for (size_t s = 0; s < checkpoint.shards().size(); ++s) {
    const std::string name = checkpoint.shards()[s].path().filename().string();
    const fs::path path = output.path() / name;
    if (output.has_from_earlier_run(name)) {
      ++kept;
    } else {
      NWC_RETURN_IF_ERROR(reader.write(s, path));
      output.keep_progress();
    }
    report.output_bytes += fs::file_size(path, ignored);
  }
  for (const WeightStore& layer : store.layers()) {
    for (const SafetensorsFile& shard : layer.checkpoint().shards())
      report.input_bytes += fs::file_size(shard.path(), ignored);
  }
  for (const auto& [name, weight] : store.weights()) {
    weight_map.emplace(name, checkpoint.shards()[weight.home].path().filename().string());
    total_size += weight.info.elements() * bits_of(target_dtype(weight, options)) / 8;
  }
  if (checkpoint.has_index()) NWC_RETURN_IF_ERROR(write_index(output.path(), total_size, weight_map));
  report.warnings = checkpoint.notes();
  report.warnings.insert(report.warnings.end(), store.notes().begin(), store.notes().end());
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> dropped,
                       copy_side_files(options.input, output.path(), {"config.json", std::string(kCodecFileName)}));
  report.warnings.insert(report.warnings.end(), dropped.begin(), dropped.end());
  report.saturated = reader.losses().sum().saturated;
  report.flushed = reader.losses().sum().flushed;
  for (std::string& line : reader.losses().warnings()) report.warnings.push_back(std::move(line));
  if (kept > 0 && options.dtype && *options.dtype != DType::kF32) {
    report.warnings.push_back(
        fmt::format("{} files were complete before: weights in them that {} cannot hold are not "
                    "counted",
                    kept, name_of(*options.dtype)));
  }
  NWC_RETURN_IF_ERROR(write_plain_config(options.input, output.path(), options.dtype));
  NWC_RETURN_IF_ERROR(output.finish());
  return report;
}

}  // namespace

Result<DecompressReport> decompress_checkpoint(const DecompressOptions& options, const Progress& progress) {
  return catch_exceptions([&] { return decompress(options, progress); });
}

}  // namespace nwc
