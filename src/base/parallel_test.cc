#include "base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace nwc {
namespace {

TEST(ParallelFor, RunsEveryItemOnce) {
  for (const int threads : {1, 2, 7}) {
    std::vector<std::atomic<int>> seen(1000);
    const Status status = parallel_for(seen.size(), threads, [&](size_t item, int worker) -> Status {
      EXPECT_GE(worker, 0);
      EXPECT_LT(worker, threads);
      ++seen[item];
      return {};
    });
    EXPECT_TRUE(status.ok());
    for (const auto& count : seen) EXPECT_EQ(count, 1);
  }
}

TEST(ParallelFor, ReportsAnErrorAndStops) {
  std::atomic<size_t> ran{0};
  const Status status = parallel_for(100'000, 2, [&](size_t item, int) -> Status {
    ++ran;
    if (item == 10) return Error(ErrorCode::kCorrupt, "item ten");
    return {};
  });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message(), "item ten");
  EXPECT_LT(ran, 100'000u);
}

TEST(ParallelFor, NothingToDo) {
  EXPECT_TRUE(parallel_for(0, 4, [](size_t, int) -> Status { return Error(ErrorCode::kInternal, "never"); }).ok());
}

}  // namespace
}  // namespace nwc
