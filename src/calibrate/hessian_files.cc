#include "calibrate/hessian_files.h"

#include <algorithm>
#include <system_error>

#include "base/file.h"
#include "guide/calibration_sequences.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

// Whether a file of an earlier run is what this calibration would write for the block. Errors say why it is not.
Status check(const fs::path& path, const Json& provenance) {
  NWC_ASSIGN_OR_RETURN(const Json calibration, read_calibration(path));
  if (calibration == provenance) return {};
  return Error(ErrorCode::kMismatch, "is of another calibration").in_file(path.string());
}

}  // namespace

bool is_calibration_file(std::string_view name) { return is_hessian_file(name) || name == sequences_file({}).native(); }

Result<ResumableDirectory> lock_hessians(const fs::path& directory, std::vector<fs::path> inputs, bool force) {
  return ResumableDirectory::lock(
      {.path = directory, .inputs = std::move(inputs), .force = force, .replaceable = is_calibration_file});
}

Status remove_calibration(const fs::path& directory) {
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> names, list_directory(directory));
  std::error_code error;
  for (const std::string& name : names) {
    if (is_calibration_file(name)) fs::remove(directory / name, error);
    if (error) return Error(ErrorCode::kIo, "cannot be removed: " + error.message()).in_file(directory / name);
  }
  if (fs::is_empty(directory, error)) fs::remove(directory, error);
  return {};
}

HessianFiles HessianFiles::open(ResumableDirectory directory, size_t blocks, Json provenance, bool ends) {
  HessianFiles files;
  files.directory_ = std::move(directory);
  const auto is_there = [&](const std::string& name) {
    if (!files.directory_->has_from_earlier_run(name)) return false;
    const Status usable = check(files.directory_->path() / name, provenance);
    if (!usable) files.warnings_.push_back(made_again(usable.error()));
    return usable.ok();
  };
  for (size_t b = 0; b < blocks; ++b) files.missing_.push_back(!is_there(hessian_file_name(b)));
  files.ends_missing_ = ends && !is_there(kHessianEndsName);
  files.provenance_ = std::move(provenance);
  return files;
}

HessianFiles HessianFiles::beside(std::vector<bool> missing, bool ends_missing, Json provenance) {
  HessianFiles files;
  files.missing_ = std::move(missing);
  files.ends_missing_ = ends_missing;
  files.provenance_ = std::move(provenance);
  return files;
}

size_t HessianFiles::from_earlier_run() const {
  return static_cast<size_t>(std::count(missing_.begin(), missing_.end(), false));
}

size_t HessianFiles::needed(size_t first, size_t count) const {
  size_t needed = count;
  while (needed > 0 && !missing_[first + needed - 1]) --needed;
  return needed;
}

size_t HessianFiles::first_missing(size_t first, size_t count) const {
  size_t found = 0;
  while (found < count && !missing_[first + found]) ++found;
  return found;
}

Status HessianFiles::written() { return writing_.valid() ? writing_.get() : Status(); }

Status HessianFiles::write(std::string name, HessianFile file) {
  if (!directory_) return {};
  NWC_RETURN_IF_ERROR(written());
  directory_->keep_progress();
  writing_ = std::async(std::launch::async, [path = directory_->path() / name, file = std::move(file)] {
    return write_hessian_file(path, file);
  });
  return {};
}

Status HessianFiles::write_ends(HessianFile file) { return write(kHessianEndsName, std::move(file)); }

Status HessianFiles::write(size_t block, HessianFile file) { return write(hessian_file_name(block), std::move(file)); }

Status HessianFiles::finish() {
  NWC_RETURN_IF_ERROR(written());
  return directory_ ? directory_->finish() : Status();
}

}  // namespace nwc
