// Counts a computation's steps and reports them to a Progress.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

// Refers to `progress`. Thread safety: members may be called from several threads at once; reports come one at a time,
// from whichever thread made the step.
class Steps {
 public:
  Steps(const Progress& progress, int64_t total, std::string what)
      : progress_(progress), total_(total), what_(std::move(what)) {}
  // Reports `n` more steps as done. Error: kInterrupted.
  Status advance(int64_t n) {
    {
      const std::lock_guard lock(mutex_);
      done_ += n;
      progress_.at(static_cast<uint64_t>(done_), static_cast<uint64_t>(total_), what_);
    }
    return check();
  }
  Status check() const { return progress_.check_stop(); }

 private:
  const Progress& progress_;
  std::mutex mutex_;  // guards done_ and the reports
  int64_t done_ = 0;
  int64_t total_;
  std::string what_;
};

}  // namespace nwc
