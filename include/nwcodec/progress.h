// What long operations tell their caller while they run, and how the caller stops them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "nwcodec/result.h"

namespace nwc {

// Passed by reference through long operations; both members may be empty.
struct Progress {
  // done of total units (bytes, windows, steps: proportional to time), and what is being worked on. Called from the
  // thread that runs the operation.
  std::function<void(uint64_t done, uint64_t total, const std::string& what)> report;
  // Set by a signal handler or another thread: the operation stops at the next safe point with kInterrupted.
  const std::atomic<bool>* stop = nullptr;

  void at(uint64_t done, uint64_t total, const std::string& what) const {
    if (report) report(done, total, what);
  }
  Status check_stop() const {
    if (stop != nullptr && stop->load(std::memory_order_relaxed)) return Error(ErrorCode::kInterrupted, "interrupted");
    return {};
  }
};

}  // namespace nwc
