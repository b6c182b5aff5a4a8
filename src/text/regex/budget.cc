#include "text/regex/budget.h"

#include <time.h>

#include <algorithm>

#include "nwcodec/limits.h"

namespace nwc::text {
namespace {

constexpr size_t kFreeGrowth = 64 << 10;
constexpr double kBytesPerSecond = 256 << 10;

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

Budget::Budget(size_t bytes)
    : max_bytes_(std::min(bytes * limits::kMaxTextGrowth, 4 * limits::kMaxText) + kFreeGrowth),
      deadline_(thread_seconds() + limits::kMaxRegexSeconds + static_cast<double>(bytes) / kBytesPerSecond) {}

bool Budget::out_of_time() const { return thread_seconds() > deadline_; }

}  // namespace nwc::text
