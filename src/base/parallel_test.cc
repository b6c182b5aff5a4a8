#include "base/parallel.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <new>
#include <stdexcept>
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

TEST(ParallelFor, AnExceptionOfABodyIsAnError) {
  for (const int threads : {1, 4}) {
    const Status no_memory = parallel_for(100, threads, [](size_t item, int) -> Status {
      if (item % 2 == 1) throw std::bad_alloc();
      return {};
    });
    ASSERT_FALSE(no_memory.ok());
    EXPECT_EQ(no_memory.error().code(), ErrorCode::kLimit);
    EXPECT_EQ(no_memory.error().message(), "out of memory");

    const Status too_long = parallel_for(100, threads, [](size_t, int) -> Status {
      std::vector<char>().reserve(~size_t{0});
      return {};
    });
    ASSERT_FALSE(too_long.ok());
    EXPECT_EQ(too_long.error().code(), ErrorCode::kLimit);

    const Status other = parallel_for(1, threads, [](size_t, int) -> Status { throw std::runtime_error("why"); });
    ASSERT_FALSE(other.ok());
    EXPECT_EQ(other.error().code(), ErrorCode::kInternal);
    EXPECT_EQ(other.error().message(), "why");
  }
}

TEST(ParallelFor, AnExceptionReachesACallerThatWantsIt) {
  for (const int threads : {1, 4}) {
    EXPECT_THROW(parallel_for_or_throw(100, threads, [](size_t, int) { throw std::bad_alloc(); }), std::bad_alloc);
    std::atomic<size_t> sum{0};
    parallel_for_or_throw(100, threads, [&](size_t item, int) { sum += item; });
    EXPECT_EQ(sum, 4950u);
  }
}

// Stacks of 64 TiB each: the system refuses every thread, and the calling one does all the work.
TEST(ParallelFor, DoesWithoutThreadsThatCannotStart) {
  pthread_attr_t usual, huge;
  ASSERT_EQ(pthread_getattr_default_np(&usual), 0);
  ASSERT_EQ(pthread_attr_init(&huge), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&huge, size_t{1} << 56), 0);
  ASSERT_EQ(pthread_setattr_default_np(&huge), 0);
  std::vector<int> workers(100, -1);
  const Status status = parallel_for(workers.size(), 4, [&](size_t item, int worker) -> Status {
    workers[item] = worker;
    return {};
  });
  ASSERT_EQ(pthread_setattr_default_np(&usual), 0);
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(workers, std::vector<int>(100, 0));
  pthread_attr_destroy(&usual);
  pthread_attr_destroy(&huge);
}

}  // namespace
}  // namespace nwc
