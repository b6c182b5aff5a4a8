// A checkpoint directory being written: refuses to overwrite, resumes an interrupted run, and cleans up after a failed
// one.
#pragma once

#include <filesystem>
#include <string>

#include "nwcodec/result.h"

namespace nwc {

// Below an output directory: what belongs to an unfinished run and not to the checkpoint.
inline constexpr const char* kWorkFolder = ".nwcodec";

// While a run is unfinished the directory holds a hidden marker file with the run's fingerprint. Files under their
// final names are always whole (base/file.h), so a second run with the same fingerprint keeps them and goes on.
class OutputDirectory {
 public:
  // `fingerprint` identifies the run: its inputs and options. `input` must not be the same directory.
  //   absent or empty: created. Marked with this fingerprint: resumed. Anything else: kExists, unless `force`, which
  //   removes the checkpoint (weights, index, codec, marker) that is there and starts anew.
  static Result<OutputDirectory> open(const std::filesystem::path& path, const std::filesystem::path& input,
                                      const std::string& fingerprint, bool force);
  OutputDirectory(OutputDirectory&& other) noexcept { *this = std::move(other); }
  OutputDirectory& operator=(OutputDirectory&& other) noexcept;
  // Without finish(): if nothing was worth keeping (keep_progress() never called) and the directory was absent or
  // empty, it is emptied, and removed if it was absent.
  ~OutputDirectory();

  const std::filesystem::path& path() const { return path_; }
  // Whether a file of an earlier, interrupted run of the same fingerprint is there.
  bool has_from_earlier_run(const std::string& file_name) const;
  // Something that took time has been written: keep it for a later run even if this one fails.
  void keep_progress() { worth_keeping_ = true; }
  // Removes the marker: the directory is complete.
  Status finish();

 private:
  OutputDirectory() = default;
  std::filesystem::path path_;
  bool active_ = false, created_ = false, was_empty_ = false, resumed_ = false, worth_keeping_ = false;
};

}  // namespace nwc
