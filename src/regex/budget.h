// What searching one text may cost, so that a hostile pattern cannot hang.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace nwc::regex {

// Two bounds. Backtracking steps, limits::kMaxRegexSteps and kMaxRegexStepsPerByte: exhausted after the same work on
// every machine. Processor time of this thread, limits::kMaxRegexSeconds: for what the steps do not show, such as a
// repetition that runs to the end of the text at every position. Belongs to one thread.
class Budget {
 public:
  // For a text of `bytes`, in any number of searches.
  explicit Budget(size_t bytes, const std::atomic<bool>* stop = nullptr);

  // Takes so many backtracking steps; false if they are not left.
  bool spend(uint64_t steps);
  // Whether `stop` has been set: the caller wants no result any more.
  bool stopped() const { return stop_ != nullptr && stop_->load(std::memory_order_relaxed); }
  // Whether the time is over, or stopped(). Cheap: the processor's clock is read every few milliseconds.
  bool out_of_time();

 private:
  using Clock = std::chrono::steady_clock;
  const std::atomic<bool>* stop_;
  uint64_t steps_;
  double deadline_;  // other work on the machine makes no text fail
  Clock::time_point next_look_;
};

}  // namespace nwc::regex
