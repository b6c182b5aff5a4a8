// A directory that a run writes: one process at a time, never over something else, and resumed where an interrupted run
// of the same identity left off. The one mechanism of compress, decompress, calibrate (and its merge) and train.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint_files.h"
#include "checkpoint/run_identity.h"
#include "checkpoint/run_marker.h"
#include "nwcodec/result.h"

namespace nwc {

// Files under their final names are always whole (base/file.h), so a run that finds some of its own goes on from there.
// lock() keeps other processes out for as long as the object lives; begin() compares identities and may be called after
// whatever it takes to know one. Not thread-safe.
class ResumableDirectory {
 public:
  struct Request {
    std::filesystem::path path;
    std::vector<std::filesystem::path> inputs;  // must not be the same directory
    bool force = false;                         // replace what is there, see begin()
    // Which files at the top level `force` removes, beside what runs of ours leave unfinished; null for those of a
    // checkpoint (checkpoint/checkpoint_files.h).
    bool (*replaceable)(std::string_view file_name) = nullptr;
  };

  // Creates the directory if it is absent. Errors: kBusy, naming the process that is writing there; kExists for a
  // directory that is neither empty nor an unfinished run's, unless `force`; kInvalidArgument for an input; kIo. After
  // an error everything is as it was.
  static Result<ResumableDirectory> lock(Request request);
  // Empty: marked with the identity. An unfinished run of this identity: resumed, temporary files of it removed.
  // Anything else: with `force`, replaceable files and unfinished runs are removed and the run starts anew; without,
  // kExists, saying how the identities differ. Errors: kExists; kIo.
  Status begin(const RunIdentity& identity);
  // Both, where the identity is known at once.
  static Result<ResumableDirectory> open(Request request, const RunIdentity& identity);

  ResumableDirectory(ResumableDirectory&& other) noexcept { *this = std::move(other); }
  ResumableDirectory& operator=(ResumableDirectory&& other) noexcept;
  // Without finish(): if the directory was absent or empty and nothing was worth keeping (keep_progress() never
  // called), it is emptied, and removed if it was absent. Unlocks.
  ~ResumableDirectory();

  // Below the output: what belongs to the unfinished run and not to its result. finish() removes it. Other processes of
  // a team write there too.
  static std::filesystem::path work_folder(const std::filesystem::path& output) { return output / ".nwcodec"; }
  // Whether a directory holds a run that has not finished.
  static bool is_unfinished(const std::filesystem::path& directory) { return RunMarker::exists(directory); }

  const std::filesystem::path& path() const { return request_.path; }
  // Whether a file of the resumed run is there. It is whole, unless somebody else damaged it.
  bool has_from_earlier_run(const std::string& file_name) const;
  // Something that took time has been written: keep it for a later run even if this one fails.
  void keep_progress() { worth_keeping_ = true; }
  // The directory is complete: removes the work folder, then the marker.
  Status finish();
  // The run has left its result elsewhere: removes the directory.
  Status remove();

 private:
  enum class State { kEmpty, kUnfinished, kOccupied };
  ResumableDirectory() = default;
  Result<State> look() const;
  Status remove_entries(bool everything) const;
  Status remove_temporary_files() const;

  Request request_;
  std::optional<RunMarker> marker_;  // none: finished, or moved from
  bool created_ = false, was_empty_ = false, resumed_ = false, worth_keeping_ = false;
};

// What to tell the user about a part or a state of an earlier run that is not usable: `why` it is not.
std::string made_again(const Error& why);

}  // namespace nwc
