#include "nwcodec/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <system_error>
#include <utility>

#include "base/exceptions.h"
#include "checkpoint/checksums.h"
#include "checkpoint/index.h"
#include "checkpoint/weight_files.h"
#include "nwcodec/limits.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

Status check_is_directory(const fs::path& directory) {
  std::error_code failure;
  const fs::file_status status = fs::status(directory, failure);
  if (!fs::exists(status)) {
    return Error(ErrorCode::kNotFound, "there is no such directory").in_file(directory.string());
  }
  if (!fs::is_directory(status)) {
    return Error(ErrorCode::kInvalidArgument, "is not a directory")
        .in_file(directory.string())
        .remedy("give the checkpoint directory that holds config.json and the weights");
  }
  return {};
}

// Why a directory without model.safetensors and without an index cannot be opened.
Error no_weights(const fs::path& directory) {
  std::vector<std::string> other_formats, safetensors;
  std::error_code failure;
  for (fs::directory_iterator entry(directory, failure), end; !failure && entry != end; entry.increment(failure)) {
    const std::string name = entry->path().filename().string();
    if (is_foreign_weight_file(name)) other_formats.push_back(name);
    if (name.ends_with(".safetensors") && name != kCodecFileName) safetensors.push_back(name);
  }
  if (failure) {
    return Error(ErrorCode::kIo, "cannot list the directory: " + failure.message()).in_file(directory.string());
  }
  const std::string message = fmt::format("has neither {} nor {}", kSingleFileName, kIndexFileName);
  if (!safetensors.empty()) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("{}, but {}", message, *std::min_element(safetensors.begin(), safetensors.end())))
        .in_file(directory.string())
        .remedy("fetch the index that belongs to the shards, or rename a single file to model.safetensors");
  }
  if (!other_formats.empty()) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("{}, but {}", message, *std::min_element(other_formats.begin(), other_formats.end())))
        .in_file(directory.string())
        .remedy("only safetensors is read: convert the checkpoint first (save_pretrained writes safetensors)");
  }
  return Error(ErrorCode::kNotFound, message).in_file(directory.string());
}

// Opens the shards that the index names, in the order of their names.
Result<std::vector<SafetensorsFile>> open_shards(const fs::path& directory, const WeightMap& weight_map) {
  std::set<std::string> names;
  for (const auto& [tensor, file] : weight_map) names.insert(file);
  if (names.size() > limits::kMaxShards) {
    return Error(ErrorCode::kLimit, fmt::format("names {} shards; the limit is {}", names.size(), limits::kMaxShards))
        .in_file((directory / kIndexFileName).string());
  }
  std::vector<SafetensorsFile> shards;
  shards.reserve(names.size());
  for (const std::string& name : names) {
    Result<SafetensorsFile> shard = SafetensorsFile::open(directory / name);
    if (!shard && shard.error().code() == ErrorCode::kNotFound) {
      return std::move(shard).error().remedy("the index names this shard: fetch it");
    }
    if (!shard) return std::move(shard).error();
    shards.push_back(*std::move(shard));
  }
  return shards;
}

// Checks that index and shards agree on every tensor, in both directions.
Status check_index(const std::vector<SafetensorsFile>& shards, const WeightMap& weight_map) {
  std::map<std::string, const SafetensorsFile*> shard_by_name;
  for (const SafetensorsFile& shard : shards) shard_by_name.emplace(shard.path().filename().string(), &shard);
  for (const auto& [tensor, file] : weight_map) {
    const SafetensorsFile& shard = *shard_by_name.at(file);
    if (shard.find(tensor) == nullptr) {
      return Error(ErrorCode::kMismatch, "the index says that this file holds it, but it does not")
          .in_file(shard.path().string())
          .in_tensor(tensor);
    }
  }
  for (const SafetensorsFile& shard : shards) {
    for (const TensorView& tensor : shard.tensors()) {
      if (tensor.name == kChecksumTensorName) continue;  // every shard may have its own
      const auto entry = weight_map.find(tensor.name);
      const auto refuse = [&](std::string why) {
        return Error(ErrorCode::kMismatch, std::move(why))
            .in_file(shard.path().string())
            .in_tensor(tensor.name)
            .at_offset(tensor.file_offset);
      };
      if (entry == weight_map.end()) return refuse("the index does not mention it");
      if (entry->second != shard.path().filename()) {
        return refuse(fmt::format("stands in this file and, as the index says, in {} too", entry->second));
      }
    }
  }
  return {};
}

}  // namespace

Result<Checkpoint> Checkpoint::open(const fs::path& directory) {
  return catch_exceptions([&] { return open_checked(directory); });
}

Result<Checkpoint> Checkpoint::open_checked(const fs::path& directory) {
  NWC_RETURN_IF_ERROR(check_is_directory(directory));
  Checkpoint checkpoint;
  checkpoint.directory_ = directory;

  // Not following links: an index that is a dangling link is a missing file of a sharded checkpoint, not its absence.
  std::error_code failure;
  checkpoint.has_index_ = fs::exists(fs::symlink_status(directory / kIndexFileName, failure));
  if (checkpoint.has_index_) {
    NWC_ASSIGN_OR_RETURN(const WeightMap weight_map, read_index(directory / kIndexFileName));
    NWC_ASSIGN_OR_RETURN(checkpoint.shards_, open_shards(directory, weight_map));
    NWC_RETURN_IF_ERROR(check_index(checkpoint.shards_, weight_map));
  } else {
    if (!fs::exists(fs::symlink_status(directory / kSingleFileName, failure))) return no_weights(directory);
    NWC_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::open(directory / kSingleFileName));
    checkpoint.shards_.push_back(std::move(file));
  }

  for (const SafetensorsFile& shard : checkpoint.shards_) {
    for (const TensorView& tensor : shard.tensors()) {
      if (tensor.name != kChecksumTensorName) checkpoint.by_name_.emplace(tensor.name, Location{&tensor, &shard});
    }
  }
  return checkpoint;
}

Checkpoint::Location Checkpoint::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? Location{} : found->second;
}

}  // namespace nwc
