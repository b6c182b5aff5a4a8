#include "calibrate/hessian_files.h"

#include <fmt/format.h>

#include <algorithm>

namespace nwc {
namespace {

namespace fs = std::filesystem;

fs::path file_of(const fs::path& directory, size_t block) {
  return directory / fmt::format("hessians-{:05d}.safetensors", block);
}

// Whether a file is what this calibration would write for the block. An unreadable one counts as missing.
bool is_ours(const fs::path& path, const Json& provenance) {
  const Result<Json> calibration = read_calibration(path);
  return calibration && *calibration == provenance;
}

}  // namespace

Result<HessianFiles> HessianFiles::open(const fs::path& directory, size_t blocks, Json provenance, bool force) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return Error(ErrorCode::kIo, "cannot be created: " + error.message()).in_file(directory.string());
  HessianFiles files;
  files.directory_ = directory;
  files.missing_.resize(blocks);
  for (size_t b = 0; b < blocks; ++b) {
    const fs::path path = file_of(directory, b);
    files.missing_[b] = !is_ours(path, provenance);
    if (files.missing_[b] && fs::exists(path, error) && !force) {
      return Error(ErrorCode::kExists, "is of another calibration, or damaged")
          .in_file(path.string())
          .remedy("choose another directory, or pass --force");
    }
  }
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

Status HessianFiles::write(size_t block, const HessianFile& file) const {
  return write_hessian_file(file_of(directory_, block), file);
}

}  // namespace nwc
