// How a caller watches a long computation and stops it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "nwcodec/result.h"

namespace nwc {

struct RunControl {
  // Set to true from anywhere (a signal handler, too) to stop with kInterrupted after the block or token in progress.
  const std::atomic<bool>* cancel = nullptr;
  // Called from the computing thread, with done rising to total; the unit is the computation's own.
  std::function<void(int64_t done, int64_t total)> progress;
};

// Counts a computation's steps for a RunControl. Not thread-safe.
class Steps {
 public:
  Steps(const RunControl& control, int64_t total) : control_(control), total_(total) {}
  // Reports `n` more steps as done. Error: kInterrupted.
  Status advance(int64_t n) {
    done_ += n;
    if (control_.progress) control_.progress(done_, total_);
    return check();
  }
  Status check() const {
    if (control_.cancel != nullptr && control_.cancel->load(std::memory_order_relaxed)) {
      return Error(ErrorCode::kInterrupted, "stopped on request");
    }
    return {};
  }

 private:
  const RunControl& control_;
  int64_t done_ = 0;
  int64_t total_;
};

}  // namespace nwc
