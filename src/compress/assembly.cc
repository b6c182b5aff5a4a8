#include "compress/assembly.h"

#include <algorithm>

#include "checkpoint/safetensors_writer.h"
#include "codec/codec_file.h"
#include "format/stream_header.h"
#include "format/tiling.h"
#include "nwcodec/version.h"

namespace nwc {
namespace {

constexpr uint64_t kCopyPiece = 16u << 20;

}  // namespace

void PartIndex::add(const Part& part) {
  for (const TensorView& tensor : part.file().tensors()) places_[tensor.name] = {&part, &tensor};
}

PartIndex::Place PartIndex::find(const std::string& name) const {
  const auto found = places_.find(name);
  return found == places_.end() ? Place{} : found->second;
}

Status assemble_shard(const ShardPlan& shard, const PartIndex& parts, const std::filesystem::path& path,
                      const Progress& progress) {
  struct Source {
    const TensorView* tensor;
    const SafetensorsFile* file;
  };
  std::vector<PlannedTensor> fixed;
  std::vector<Source> fixed_sources, streams;
  std::vector<std::string> growing;
  for (const TensorView* tensor : shard.plain) {
    const PartIndex::Place replaced = parts.find(tensor->name);
    fixed.push_back({tensor->name, tensor->dtype, tensor->shape});
    fixed_sources.push_back(replaced.part != nullptr ? Source{replaced.tensor, &replaced.part->file()}
                                                     : Source{tensor, shard.file});
  }
  for (const TensorView* tensor : shard.compressed) {
    for (const char* suffix : {kScalesSuffix, kLevelsSuffix, kStreamSuffix}) {
      const PartIndex::Place place = parts.find(tensor->name + suffix);
      if (place.part == nullptr) {
        if (suffix == kLevelsSuffix) continue;  // there may be none
        return Error(ErrorCode::kInternal, "was not compressed").in_file(path.string()).in_tensor(tensor->name);
      }
      const Source source{place.tensor, &place.part->file()};
      if (suffix == kStreamSuffix) {
        growing.push_back(place.tensor->name);
        streams.push_back(source);
      } else {
        fixed.push_back({place.tensor->name, place.tensor->dtype, place.tensor->shape});
        fixed_sources.push_back(source);
      }
    }
  }
  std::map<std::string, std::string> metadata = shard.file->metadata();
  metadata[kVersionKey] = std::to_string(kFormatVersion);
  NWC_ASSIGN_OR_RETURN(SafetensorsWriter writer, SafetensorsWriter::create(path, std::move(fixed), std::move(growing),
                                                                           std::move(metadata), {.checksums = true}));
  const auto copy = [&](const Source& source, auto&& write) -> Status {
    const std::span<const std::byte> bytes = source.tensor->bytes;
    for (uint64_t at = 0; at < bytes.size(); at += kCopyPiece) {
      NWC_RETURN_IF_ERROR(progress.check_stop());
      NWC_RETURN_IF_ERROR(write(at, bytes.subspan(at, std::min(kCopyPiece, bytes.size() - at))));
    }
    source.file->release(*source.tensor);
    return {};
  };
  for (const Source& source : fixed_sources) {
    NWC_RETURN_IF_ERROR(copy(source, [&](uint64_t at, std::span<const std::byte> piece) {
      return writer.write(source.tensor->name, at, piece);
    }));
  }
  for (const Source& source : streams) {
    NWC_RETURN_IF_ERROR(copy(
        source, [&](uint64_t, std::span<const std::byte> piece) { return writer.append(source.tensor->name, piece); }));
  }
  return writer.finish();
}

}  // namespace nwc
