#include "guide/hessian_store.h"

#include <algorithm>

#include "base/file.h"
#include "base/hash.h"
#include "checkpoint/quantised/stored_format.h"
#include "checkpoint/resumable_directory.h"

namespace nwc {

namespace fs = std::filesystem;

Result<HessianStore> HessianStore::open(const fs::path& directory) {
  HessianStore store;
  if (ResumableDirectory::is_unfinished(directory)) {
    return Error(ErrorCode::kNotFound, "holds a calibration that is not finished")
        .in_file(directory.string())
        .remedy("repeat the nwcodec calibrate that began it");
  }
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> names, list_directory(directory));
  std::vector<fs::path> paths;
  for (const std::string& name : names) {
    if (is_hessian_file(name)) paths.push_back(directory / name);
  }
  if (paths.empty()) {
    return Error(ErrorCode::kNotFound, "holds no Hessians (hessians-*.safetensors)")
        .in_file(directory.string())
        .remedy("make them with nwcodec calibrate");
  }
  store.files_.reserve(paths.size());
  for (const fs::path& path : paths) {
    NWC_ASSIGN_OR_RETURN(SafetensorsFile opened, SafetensorsFile::open(path));
    const SafetensorsFile& file = store.files_.emplace_back(std::move(opened));
    NWC_ASSIGN_OR_RETURN(Checksums checksums, Checksums::of(file));
    store.checksums_.push_back(std::move(checksums));
    NWC_ASSIGN_OR_RETURN(const HessianIndex index, index_of(file));
    for (const auto& [name, entry] : index.weights) {
      if (store.weights_.emplace(name, Location{store.files_.size() - 1, entry, index.positions}).second) continue;
      return Error(ErrorCode::kMismatch, "has Hessians in two files")
          .in_file(path.string())
          .in_tensor(name)
          .remedy("keep the files of one calibration");
    }
  }
  return store;
}

Result<const HessianStore::Location*> HessianStore::locate(const TensorView& weight) const {
  const auto found = weights_.find(weight.name);
  if (found != weights_.end()) return &found->second;
  return Error(ErrorCode::kNotFound, "has no Hessian")
      .in_file(files_[0].path().parent_path().string())
      .in_tensor(weight.name)
      .remedy("calibrate this model; a tensor that its forward pass does not use, leave out with --exclude");
}

Result<const HessianStore::Location*> HessianStore::locate_checked(const TensorView& weight) const {
  NWC_ASSIGN_OR_RETURN(const Location* location, locate(weight));
  NWC_ASSIGN_OR_RETURN(const TensorValues values, values_of(original_of(weight), 1));
  if (xxh3(values.bytes) != location->entry.weight_hash) {
    return Error(ErrorCode::kMismatch, "has the Hessian of other weights")
        .in_file(files_[location->file].path().string())
        .in_tensor(weight.name)
        .remedy("calibrate this model");
  }
  NWC_RETURN_IF_ERROR(checksums_[location->file].verify(*location->entry.tokens));
  return location;
}

Result<uint64_t> HessianStore::input_of(const TensorView& weight) const {
  NWC_ASSIGN_OR_RETURN(const Location* location, locate(weight));
  return (uint64_t{location->file} << 32) + location->entry.hessian_number;
}

Result<std::vector<int64_t>> HessianStore::tokens_of(const TensorView& weight) const {
  NWC_ASSIGN_OR_RETURN(const Location* location, locate_checked(weight));
  return location->entry.read_tokens();
}

Result<StoredHessian> HessianStore::find(const TensorView& weight) const {
  NWC_ASSIGN_OR_RETURN(const Location* location, locate_checked(weight));
  const HessianEntry& entry = location->entry;
  NWC_RETURN_IF_ERROR(checksums_[location->file].verify(*entry.hessian));
  StoredHessian stored = entry.read_hessian();
  files_[location->file].release(*entry.hessian);
  return stored;
}

Result<int64_t> HessianStore::positions_of(const TensorView& weight) const {
  NWC_ASSIGN_OR_RETURN(const Location* location, locate(weight));
  return location->positions;
}

bool HessianStore::is_end(const std::string& weight) const {
  const auto found = weights_.find(weight);
  return found != weights_.end() && found->second.entry.end;
}

std::set<std::string> HessianStore::ends() const {
  std::set<std::string> names;
  for (const auto& [name, location] : weights_) {
    if (location.entry.end) names.insert(name);
  }
  return names;
}

bool HessianStore::has_gradients() const {
  return std::all_of(weights_.begin(), weights_.end(),
                     [](const auto& weight) { return weight.second.entry.fisher_number.has_value(); });
}

bool HessianStore::has_output_side() const {
  return std::any_of(weights_.begin(), weights_.end(),
                     [](const auto& weight) { return weight.second.entry.fisher_outputs != nullptr; });
}

Result<std::optional<StoredFisher>> HessianStore::find_lookup(const TensorView& weight) const {
  NWC_ASSIGN_OR_RETURN(const Location* location, locate(weight));
  const HessianEntry& entry = location->entry;
  if (!entry.lookup_number) return std::optional<StoredFisher>();
  for (const TensorView* part : {entry.lookup_inputs, entry.lookup_rows, entry.lookup_effective}) {
    if (part != nullptr) NWC_RETURN_IF_ERROR(checksums_[location->file].verify(*part));
  }
  return std::optional(entry.read_lookup());
}

Result<std::optional<StoredFisher>> HessianStore::find_fisher(const TensorView& weight) const {
  NWC_ASSIGN_OR_RETURN(const Location* location, locate(weight));
  const HessianEntry& entry = location->entry;
  if (!entry.fisher_number) return std::optional<StoredFisher>();
  for (const TensorView* part :
       {entry.fisher_inputs, entry.fisher_rows, entry.fisher_outputs, entry.fisher_effective}) {
    if (part != nullptr) NWC_RETURN_IF_ERROR(checksums_[location->file].verify(*part));
  }
  StoredFisher stored = entry.read_fisher();
  files_[location->file].release(*entry.fisher_inputs);
  if (entry.fisher_outputs != nullptr) files_[location->file].release(*entry.fisher_outputs);
  return std::optional(std::move(stored));
}

}  // namespace nwc
