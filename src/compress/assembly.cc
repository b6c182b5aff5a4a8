#include "compress/assembly.h"

#include <algorithm>
#include <set>
#include <system_error>

#include "base/parallel.h"
#include "checkpoint/checksums.h"
#include "checkpoint/index.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/side_files.h"
#include "codec/codec_file.h"
#include "format/checkpoint_config.h"
#include "format/stream_header.h"
#include "format/tiling.h"
#include "nwcodec/version.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kCopyPiece = 16u << 20;
constexpr int kShardsTogether = 4;  // that are written at the same time

Result<std::vector<Part>> needed_parts(const CompressRun& run, const EarlierShards& earlier) {
  std::vector<Part> parts;
  for (size_t i = 0; i < run.items.size(); ++i) {
    if (earlier.supersede(run.items[i], run)) continue;
    Result<Part> part = run.parts.find(i);
    if (!part)
      return std::move(part).error().in_tensor(run.items[i].name).remedy("repeat the command: it is made again");
    parts.push_back(*std::move(part));
  }
  return parts;
}

std::string file_name(const ShardPlan& shard) { return shard.file->path().filename().string(); }

constexpr const char* kModelOptConfig = "hf_quant_config.json";

// Copies the files beside the weights. What only describes numbers that have been decoded is not true of the output.
Result<std::vector<std::string>> copy_files_beside(const CompressRun& run) {
  const fs::path& model = run.options.model;
  std::set<std::string> exclude{"config.json"};
  std::error_code ignored;
  const bool stale = run.checkpoint.decodes_quantised() && fs::exists(model / kModelOptConfig, ignored);
  if (stale) exclude.insert(kModelOptConfig);
  NWC_ASSIGN_OR_RETURN(std::vector<std::string> warnings, copy_side_files(model, run.output->path(), exclude));
  if (stale)
    warnings.push_back(std::string(kModelOptConfig) + " is not copied: it describes weights that have been decoded");
  return warnings;
}

}  // namespace

namespace {

// Of a delta that changes nothing: what it is the difference from must be said somewhere.
Status write_empty_shard(const fs::path& directory, const Difference* difference) {
  if (difference == nullptr) return {};
  std::map<std::string, std::string> metadata{{kVersionKey, std::to_string(kDifferencesVersion)}};
  add_metadata(*difference, metadata);
  NWC_ASSIGN_OR_RETURN(SafetensorsWriter writer, SafetensorsWriter::create(directory / kSingleFileName, {}, {},
                                                                           std::move(metadata), {.checksums = true}));
  return writer.finish();
}

}  // namespace

void PartIndex::add(const Part& part) {
  for (const TensorView& tensor : part.file().tensors()) places_[tensor.name] = {&part, &tensor};
}

PartIndex::Place PartIndex::find(const std::string& name) const {
  const auto found = places_.find(name);
  return found == places_.end() ? Place{} : found->second;
}

Status assemble_shard(const ShardPlan& shard, const PartIndex& parts, const std::filesystem::path& path,
                      unsigned version, const Difference* difference, const Progress& progress) {
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
  std::erase_if(metadata, [](const auto& entry) { return is_difference_key(entry.first); });  // of another's
  metadata[kVersionKey] = std::to_string(version);
  if (difference != nullptr) add_metadata(*difference, metadata);
  NWC_ASSIGN_OR_RETURN(SafetensorsWriter writer, SafetensorsWriter::create(path, std::move(fixed), std::move(growing),
                                                                           std::move(metadata), {.checksums = true}));
  const auto copy = [&](const Source& source, auto&& write) -> Status {
    const Result<TensorValues> values = values_of(*source.tensor, 1);
    if (!values) return Error(values.error()).in_file(source.file->path().string());
    const std::span<const std::byte> bytes = values->bytes;
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

Status assemble_checkpoint(const CompressRun& run, const EarlierShards& earlier, uint64_t codec_id,
                           CompressReport& report) {
  const fs::path& directory = run.output->path();
  const std::vector<ShardPlan>& shards = run.plan.shards;
  const Difference* const difference = run.options.base ? &run.options.base->difference : nullptr;
  NWC_ASSIGN_OR_RETURN(const std::vector<Part> parts, needed_parts(run, earlier));
  PartIndex index;
  std::map<std::string, const TensorRecord*> reports;
  for (const Part& part : parts) {
    index.add(part);
    for (const TensorRecord& line : part.records()) reports[line.name] = &line;
  }
  std::error_code ignored;
  report.output_bytes = fs::file_size(directory / kCodecFileName, ignored);
  const int together = std::min(kShardsTogether, resolve_threads(run.options.threads));
  NWC_RETURN_IF_ERROR(parallel_for(shards.size(), together, [&](size_t s, int) -> Status {
    if (earlier.has(s)) return {};
    return assemble_shard(shards[s], index, directory / file_name(shards[s]), format_version_of(run.options),
                          difference, run.progress);
  }));
  WeightMap weight_map;
  uint64_t total_size = 0;
  for (const ShardPlan& shard : shards) {
    const std::string name = file_name(shard);
    for (const TensorView* tensor : shard.compressed) {
      if (const auto line = reports.find(tensor->name); line != reports.end()) report.tensors.push_back(*line->second);
    }
    NWC_ASSIGN_OR_RETURN(const SafetensorsFile written, SafetensorsFile::open(directory / name));
    for (const TensorView& tensor : written.tensors()) {
      if (tensor.name != kChecksumTensorName) weight_map.emplace(tensor.name, name);
      total_size += tensor.bytes.size();
    }
    report.output_bytes += fs::file_size(directory / name, ignored);
  }
  if (run.checkpoint.has_index() && !weight_map.empty())
    NWC_RETURN_IF_ERROR(write_index(directory, total_size, weight_map));
  if (weight_map.empty()) NWC_RETURN_IF_ERROR(write_empty_shard(directory, difference));
  if (run.options.base && run.options.base->refines()) return run.output->finish();  // weights are all that it holds
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> dropped, copy_files_beside(run));
  report.warnings.insert(report.warnings.end(), dropped.begin(), dropped.end());
  NWC_RETURN_IF_ERROR(write_compressed_config(
      run.options.model, directory, codec_id, format_version_of(run.options),
      {.quantisation = run.checkpoint.decodes_quantised(), .float64 = run.checkpoint.narrows_f64()}));
  if (run.options.before_finish) {
    run.output->keep_progress();
    NWC_RETURN_IF_ERROR(run.options.before_finish(directory));
  }
  return run.output->finish();
}

}  // namespace nwc
