#include "regex/budget.h"

#include <gtest/gtest.h>
#include <time.h>

#include <atomic>

#include "nwcodec/limits.h"

namespace nwc::regex {
namespace {

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

TEST(Budget, StepsGrowWithTheText) {
  Budget nothing(0);
  EXPECT_TRUE(nothing.spend(limits::kMaxRegexSteps));
  EXPECT_TRUE(nothing.spend(0));
  EXPECT_FALSE(nothing.spend(1));
  Budget ten(10);
  EXPECT_FALSE(ten.spend(limits::kMaxRegexSteps + 10 * limits::kMaxRegexStepsPerByte + 1));
  EXPECT_TRUE(ten.spend(limits::kMaxRegexSteps + 10 * limits::kMaxRegexStepsPerByte)) << "what fails takes nothing";
}

TEST(Budget, TimeIsTheThreadsProcessorTime) {
  Budget budget(0);
  EXPECT_FALSE(budget.out_of_time());
  const timespec nap{.tv_sec = limits::kMaxRegexSeconds + 1, .tv_nsec = 0};
  nanosleep(&nap, nullptr);
  EXPECT_FALSE(budget.out_of_time()) << "sleeping costs nothing";
  const double start = thread_seconds();
  while (!budget.out_of_time()) ASSERT_LT(thread_seconds() - start, limits::kMaxRegexSeconds + 1.0);
  EXPECT_GT(thread_seconds() - start, limits::kMaxRegexSeconds - 0.1);
}

TEST(Budget, EndsWhenTheCallerStops) {
  std::atomic<bool> stop{false};
  Budget budget(1, &stop);
  EXPECT_FALSE(budget.stopped());
  stop = true;
  EXPECT_TRUE(budget.stopped());
  while (!budget.out_of_time()) {
  }  // at the next look at the clock
}

}  // namespace
}  // namespace nwc::regex
