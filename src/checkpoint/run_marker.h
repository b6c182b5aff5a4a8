// The hidden file of an output directory that says which run is unfinished there, and is that run's lock.
#pragma once

#include <filesystem>
#include <string>

#include "nwcodec/result.h"

namespace nwc {

// `.nwcodec-unfinished`: the lines of a RunIdentity (none before the run has begun), an empty line, and "process PID on
// HOST" of the process that holds the lock (flock) or held it last. The lock ends with its process, however that ends,
// so that a marker which nobody holds is an interrupted run. On a file system without locks there is no protection
// against a second process.
class RunMarker {
 public:
  static constexpr const char* kFileName = ".nwcodec-unfinished";
  // Whether the directory has a marker.
  static bool exists(const std::filesystem::path& directory);

  // Locks the directory's marker, which is created if there is none, and reads it. Errors: kBusy, naming the process
  // that holds it; kNotFound if there is no such directory; kIo.
  static Result<RunMarker> lock(const std::filesystem::path& directory);
  RunMarker(RunMarker&& other) noexcept { *this = std::move(other); }
  RunMarker& operator=(RunMarker&& other) noexcept;
  // Unlocks. The file stays.
  ~RunMarker();

  // What an earlier run wrote; empty if there was none, or one that ended before it had written all of it.
  const std::string& identity() const { return identity_; }
  // Durable when it returns. Errors: kIo.
  Status write(const std::string& identity);
  // Removes the file, then unlocks.
  Status remove();

 private:
  RunMarker() = default;
  Status read();
  Status sign(uint64_t offset) const;
  int fd_ = -1;
  std::filesystem::path path_;
  std::string identity_;
};

}  // namespace nwc
