// The files of a calibration being written: one per block, those of an interrupted run of the same calibration kept.
#pragma once

#include <cstddef>
#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/resumable_directory.h"
#include "guide/hessian_file.h"
#include "nwcodec/result.h"

namespace nwc {

// Locks a directory of Hessians: begin() on the result, then HessianFiles::open(). Errors: those of
// ResumableDirectory::lock().
Result<ResumableDirectory> lock_hessians(const std::filesystem::path& directory,
                                         std::vector<std::filesystem::path> inputs, bool force);

// Whether it is the name of a file that a calibration writes.
bool is_calibration_file(std::string_view name);

// Removes what a calibration left there, and the directory if nothing else is in it. Errors: kIo.
Status remove_calibration(const std::filesystem::path& directory);

class HessianFiles {
 public:
  // `directory`: begun. `provenance`: what every file says it was made from.
  // `ends`: with a file for embedding and head, too.
  static HessianFiles open(ResumableDirectory directory, size_t blocks, Json provenance, bool ends = false);
  // Those of a process beside the one that writes: it knows what is missing, and writes nothing.
  static HessianFiles beside(std::vector<bool> missing, bool ends_missing, Json provenance);

  const Json& provenance() const { return provenance_; }
  size_t blocks() const { return missing_.size(); }
  bool writes() const { return directory_.has_value(); }
  bool is_missing(size_t block) const { return missing_[block]; }
  bool ends_missing() const { return ends_missing_; }  // false if there is to be none
  size_t from_earlier_run() const;
  // How many of the blocks [first, first + count) must run: up to the last that is missing.
  size_t needed(size_t first, size_t count) const;
  // The first missing of the blocks [first, first + count), counted from `first`; `count` if there is none.
  size_t first_missing(size_t first, size_t count) const;
  // Why files that were there are made again.
  const std::vector<std::string>& warnings() const { return warnings_; }

  // One file is written at a time, while the caller goes on; its errors come with the next one, or from finish(): kIo.
  Status write(size_t block, HessianFile file);
  Status write_ends(HessianFile file);
  // All are there.
  Status finish();

 private:
  HessianFiles() = default;
  Status write(std::string name, HessianFile file);
  Status written();  // the last file

  std::optional<ResumableDirectory> directory_;  // none: beside the process that writes
  Json provenance_;
  std::vector<bool> missing_;
  bool ends_missing_ = false;
  std::vector<std::string> warnings_;
  std::future<Status> writing_;  // uses directory_'s path only; its destructor waits
};

}  // namespace nwc
