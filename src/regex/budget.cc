#include "regex/budget.h"

#include <time.h>

#include "nwcodec/limits.h"

namespace nwc::regex {
namespace {

constexpr double kBytesPerSecond = 256 << 10;
constexpr std::chrono::milliseconds kBetweenLooks{5};  // a thread's processor time passes no faster

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

Budget::Budget(size_t bytes, const std::atomic<bool>* stop)
    : stop_(stop),
      steps_(limits::kMaxRegexSteps + limits::kMaxRegexStepsPerByte * uint64_t{bytes}),
      deadline_(thread_seconds() + limits::kMaxRegexSeconds + static_cast<double>(bytes) / kBytesPerSecond),
      next_look_(Clock::now() + kBetweenLooks) {}

bool Budget::spend(uint64_t steps) {
  if (steps > steps_) return false;
  steps_ -= steps;
  return true;
}

bool Budget::out_of_time() {
  const Clock::time_point now = Clock::now();
  if (now < next_look_) return false;
  next_look_ = now + kBetweenLooks;
  return stopped() || thread_seconds() > deadline_;
}

}  // namespace nwc::regex
