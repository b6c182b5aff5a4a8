#include "polish/stored_changes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "base/file.h"
#include "base/hash.h"
#include "checkpoint/checksums.h"
#include "checkpoint/index.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/side_files.h"
#include "codec/codec_file.h"
#include "format/checkpoint_config.h"
#include "format/line_scales.h"
#include "format/stream_header.h"
#include "tensor/line_scales_coding.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

Status add_corrections(const std::vector<int16_t>& more, unsigned finer, size_t lines, std::vector<int16_t>& sum) {
  sum.resize(lines);
  for (size_t i = 0; i < lines; ++i) {
    const int value = sum[i] * (1 << finer) + (i < more.size() ? more[i] : 0);
    if (std::abs(value) > kLargestLineNumber)
      return Error(ErrorCode::kLimit, "a correction of line scales is too large");
    sum[i] = static_cast<int16_t>(value);
  }
  return {};
}

Status correct(const LineCorrections& corrections, LineScales& lines) {
  const unsigned finer = corrections.bits - lines.correction_bits;
  lines.correction_bits = corrections.bits;
  NWC_RETURN_IF_ERROR(add_corrections(corrections.columns, finer, lines.column_steps.size(), lines.column_corrections));
  return add_corrections(corrections.rows, finer, lines.row_steps.size(), lines.row_corrections);
}

const std::vector<std::byte>* find(const std::map<std::string, std::vector<std::byte>>& map, const std::string& name) {
  const auto found = map.find(name);
  return found == map.end() ? nullptr : &found->second;
}

std::string without(std::string_view name, std::string_view suffix) {
  return name.ends_with(suffix) ? std::string(name.substr(0, name.size() - suffix.size())) : std::string();
}

// Header, line scales, own tables and index of the changed stream.
Result<std::vector<std::byte>> changed_head(const ParsedStream& parsed, const LineCorrections* corrections,
                                            std::span<const std::byte> scales, const Codec& codec) {
  StreamHeader header = parsed.header;
  header.scales_hash = xxh3(scales);
  std::vector<std::byte> section(parsed.section.begin(), parsed.section.end());
  if (corrections != nullptr) {
    std::span<const std::byte> rest = parsed.section;
    NWC_ASSIGN_OR_RETURN(LineScales lines, read_line_scales(rest, header, codec.tables()));
    NWC_RETURN_IF_ERROR(correct(*corrections, lines));
    header.correction_bits = lines.correction_bits;
    section = code_line_scales(lines, codec.parts().tables.set);
    section.insert(section.end(), rest.begin(), rest.end());
  }
  std::vector<TileIndexEntry> index;
  for (const ParsedStream::Tile& tile : parsed.tiles) index.push_back({tile.size, tile.checksum});
  return serialise_stream_head(header, section, index);
}

uint64_t head_bytes(const ParsedStream& parsed, uint64_t stream) {
  return parsed.tiles.empty() ? stream : parsed.tiles.front().offset;
}

// One shard under way.
class ShardCopy {
 public:
  ShardCopy(const WeightStore& store, const StoredChanges& changes, const Progress& progress)
      : store_(store), changes_(changes), progress_(progress) {}

  Status write(const SafetensorsFile& shard, const fs::path& path, unsigned version) {
    NWC_ASSIGN_OR_RETURN(const Checksums checksums, Checksums::of(shard));
    std::vector<PlannedTensor> fixed;
    std::vector<std::string> growing;
    for (const TensorView& tensor : shard.tensors()) {
      if (tensor.name == kChecksumTensorName) continue;
      if (is_stream(tensor)) {
        growing.push_back(tensor.name);
      } else {
        fixed.push_back({tensor.name, tensor.dtype, tensor.shape});
      }
    }
    std::map<std::string, std::string> metadata = shard.metadata();
    metadata[kVersionKey] = std::to_string(version);
    NWC_ASSIGN_OR_RETURN(SafetensorsWriter writer, SafetensorsWriter::create(path, std::move(fixed), std::move(growing),
                                                                             std::move(metadata), {.checksums = true}));
    for (const TensorView& tensor : shard.tensors()) {
      if (tensor.name == kChecksumTensorName) continue;
      NWC_RETURN_IF_ERROR(progress_.check_stop());
      NWC_RETURN_IF_ERROR(checksums.verify(tensor));
      if (!is_stream(tensor)) {
        NWC_RETURN_IF_ERROR(writer.write(tensor.name, 0, fixed_bytes(tensor)));
      } else {
        NWC_ASSIGN_OR_RETURN(const std::vector<std::byte> changed, stream_bytes(tensor));
        NWC_RETURN_IF_ERROR(
            writer.append(tensor.name, changed.empty() ? tensor.bytes : std::span<const std::byte>(changed)));
      }
      shard.release(tensor);
    }
    return writer.finish();
  }

 private:
  bool is_stream(const TensorView& tensor) const { return tensor.name.ends_with(kStreamSuffix); }

  std::span<const std::byte> fixed_bytes(const TensorView& tensor) const {
    const std::vector<std::byte>* changed = find(changes_.plain, tensor.name);
    if (changed == nullptr) changed = find(changes_.scales, without(tensor.name, kScalesSuffix));
    return changed == nullptr ? tensor.bytes : std::span<const std::byte>(*changed);
  }

  // Empty if nothing changes.
  Result<std::vector<std::byte>> stream_bytes(const TensorView& tensor) const {
    const std::string name = without(tensor.name, kStreamSuffix);
    const auto corrections = changes_.corrections.find(name);
    const std::vector<std::byte>* scales = find(changes_.scales, name);
    const bool corrected = corrections != changes_.corrections.end();
    if (!corrected && scales == nullptr) return std::vector<std::byte>();
    return changed_stream(
        tensor.bytes, corrected ? &corrections->second : nullptr,
        scales != nullptr ? std::span<const std::byte>(*scales) : store_.weights().at(name).scales->bytes,
        store_.codec());
  }

  const WeightStore& store_;
  const StoredChanges& changes_;
  const Progress& progress_;
};

// The newest that a stream of the checkpoint needs, as it will be.
Result<unsigned> version_with(const WeightStore& store, const StoredChanges& changes) {
  unsigned version = changes.corrections.empty() ? 1 : kCorrectionsVersion;
  for (const auto& [name, weight] : store.weights()) {
    if (weight.stream == nullptr) continue;
    NWC_ASSIGN_OR_RETURN(const ParsedStream parsed, parse_stream(weight.stream->bytes));
    version = std::max(version, parsed.header.version());
  }
  return version;
}

}  // namespace

Result<std::vector<std::byte>> changed_stream(std::span<const std::byte> stream, const LineCorrections* corrections,
                                              std::span<const std::byte> scales, const Codec& codec) {
  NWC_ASSIGN_OR_RETURN(const ParsedStream parsed, parse_stream(stream));
  NWC_ASSIGN_OR_RETURN(std::vector<std::byte> changed, changed_head(parsed, corrections, scales, codec));
  const std::span<const std::byte> tiles = stream.subspan(head_bytes(parsed, stream.size()));
  changed.insert(changed.end(), tiles.begin(), tiles.end());
  return changed;
}

Result<int64_t> added_bytes(const WeightStore& compressed, const StoredChanges& changes) {
  int64_t added = 0;
  for (const auto& [name, corrections] : changes.corrections) {
    const StoredWeight& weight = compressed.weights().at(name);
    NWC_ASSIGN_OR_RETURN(const ParsedStream parsed, parse_stream(weight.stream->bytes));
    NWC_ASSIGN_OR_RETURN(const std::vector<std::byte> head,
                         changed_head(parsed, &corrections, weight.scales->bytes, compressed.codec()));
    added += static_cast<int64_t>(head.size()) - static_cast<int64_t>(head_bytes(parsed, weight.stream->bytes.size()));
  }
  return added;
}

Result<std::vector<std::string>> write_changed(const WeightStore& compressed, const StoredChanges& changes,
                                               const fs::path& output, const Progress& progress) {
  const Checkpoint& checkpoint = compressed.checkpoint();
  NWC_ASSIGN_OR_RETURN(const unsigned version, version_with(compressed, changes));
  ShardCopy copy(compressed, changes, progress);
  WeightMap weight_map;
  uint64_t total_size = 0;
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    const std::string name = shard.path().filename().string();
    NWC_RETURN_IF_ERROR(copy.write(shard, output / name, version));
    NWC_ASSIGN_OR_RETURN(const SafetensorsFile written, SafetensorsFile::open(output / name));
    for (const TensorView& tensor : written.tensors()) {
      if (tensor.name != kChecksumTensorName) weight_map.emplace(tensor.name, name);
      total_size += tensor.bytes.size();
    }
  }
  if (checkpoint.has_index()) NWC_RETURN_IF_ERROR(write_index(output, total_size, weight_map));
  NWC_ASSIGN_OR_RETURN(const MappedFile codec, MappedFile::open(checkpoint.directory() / kCodecFileName));
  NWC_RETURN_IF_ERROR(
      write_file(output / kCodecFileName, {reinterpret_cast<const char*>(codec.bytes().data()), codec.bytes().size()}));
  NWC_ASSIGN_OR_RETURN(std::vector<std::string> dropped,
                       copy_side_files(checkpoint.directory(), output, {"config.json"}));
  // Through the original's text, so that its own quantization_config keeps its place.
  NWC_RETURN_IF_ERROR(write_plain_config(checkpoint.directory(), output));
  NWC_RETURN_IF_ERROR(write_compressed_config(output, output, compressed.codec().id(), version));
  return dropped;
}

}  // namespace nwc
