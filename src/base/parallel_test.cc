#include "base/parallel.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <latch>
#include <new>
#include <stdexcept>
#include <thread>
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

// Counts how many bodies run at a time.
class Crowd {
 public:
  void enter() {
    const int now = ++inside_;
    for (int most = most_; now > most && !most_.compare_exchange_weak(most, now);) {
    }
  }
  void leave() { --inside_; }
  int most() const { return most_; }

 private:
  std::atomic<int> inside_{0}, most_{0};
};

TEST(ParallelFor, LoopsInsideShareTheThreads) {
  for (const size_t at_once : {1, 2, 8}) {
    Crowd outer, inner;
    std::atomic<int> items{0};
    const Status status = parallel_for_at_once(8, at_once, 3, [&](size_t, int) -> Status {
      outer.enter();
      const Status inside = parallel_for(20, 3, [&](size_t, int) -> Status {
        inner.enter();
        ++items;
        std::this_thread::yield();
        inner.leave();
        return {};
      });
      outer.leave();
      return inside;
    });
    EXPECT_TRUE(status.ok());
    EXPECT_EQ(items, 160);
    EXPECT_LE(outer.most(), static_cast<int>(at_once));
    EXPECT_LE(inner.most(), 3);
  }
}

// All four must be there at a time, in the only outer item, and again in the next.
TEST(ParallelFor, LoopsInsideGetTheThreadsThatAreLeft) {
  const Status status = parallel_for_at_once(2, 1, 4, [&](size_t, int) -> Status {
    std::latch all(4);
    return parallel_for(4, 4, [&](size_t, int) -> Status {
      all.arrive_and_wait();
      return {};
    });
  });
  EXPECT_TRUE(status.ok());
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
