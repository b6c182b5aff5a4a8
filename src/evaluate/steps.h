// Counts a computation's steps and reports them to a Progress.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

// Refers to `progress`. Not thread-safe.
class Steps {
 public:
  Steps(const Progress& progress, int64_t total, std::string what)
      : progress_(progress), total_(total), what_(std::move(what)) {}
  // Reports `n` more steps as done. Error: kInterrupted.
  Status advance(int64_t n) {
    done_ += n;
    progress_.at(static_cast<uint64_t>(done_), static_cast<uint64_t>(total_), what_);
    return check();
  }
  Status check() const { return progress_.check_stop(); }

 private:
  const Progress& progress_;
  int64_t done_ = 0;
  int64_t total_;
  std::string what_;
};

}  // namespace nwc
