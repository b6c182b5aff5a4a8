#include "base/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/exceptions.h"

namespace nwc {
namespace {

// Threads that the outermost loop may have beyond its own, and nobody uses at the moment.
class SpareThreads {
 public:
  explicit SpareThreads(size_t count) : count_(count) {}

  // As many of `wanted` as there are.
  size_t take(size_t wanted) {
    size_t there = count_.load(std::memory_order_relaxed);
    while (!count_.compare_exchange_weak(there, there - std::min(there, wanted), std::memory_order_relaxed)) {
    }
    return std::min(there, wanted);
  }
  void give_back(size_t count) { count_.fetch_add(count, std::memory_order_relaxed); }

 private:
  std::atomic<size_t> count_;
};

// Of the loop that this thread runs in; null outside of all.
thread_local SpareThreads* spare_threads = nullptr;

class InLoop {
 public:
  explicit InLoop(SpareThreads* spare) : before_(std::exchange(spare_threads, spare)) {}
  ~InLoop() { spare_threads = before_; }
  InLoop(const InLoop&) = delete;
  InLoop& operator=(const InLoop&) = delete;

 private:
  SpareThreads* before_;
};

}  // namespace

int resolve_threads(int threads) {
  if (threads > 0) return threads;
  cpu_set_t mask;
  if (::sched_getaffinity(0, sizeof(mask), &mask) == 0) return std::max(1, CPU_COUNT(&mask));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

Status parallel_for_at_once(size_t items, size_t at_once, int threads,
                            const std::function<Status(size_t item, int worker)>& body) {
  const auto most = static_cast<size_t>(resolve_threads(threads));
  const size_t workers = std::min({items, std::max<size_t>(1, at_once), most});
  std::atomic<size_t> next{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  size_t first_failure = items;
  std::optional<Error> error;

  const auto work = [&](int worker) {
    while (!stop.load(std::memory_order_relaxed)) {
      const size_t item = next.fetch_add(1, std::memory_order_relaxed);
      if (item >= items) return;
      Status status = catch_exceptions([&] { return body(item, worker); });
      if (status) continue;
      const std::lock_guard lock(mutex);
      stop.store(true, std::memory_order_relaxed);
      if (item < first_failure) {
        first_failure = item;
        error = std::move(status).error();
      }
    }
  };

  SpareThreads own(most - 1);
  SpareThreads* const spare = spare_threads != nullptr ? spare_threads : &own;
  const size_t others = workers > 1 ? spare->take(workers - 1) : 0;
  {
    std::vector<std::jthread> pool;
    size_t begun = 0;
    try {
      pool.reserve(others);
      for (; begun < others; ++begun) {
        pool.emplace_back([&, worker = static_cast<int>(begun) + 1] {
          const InLoop in(spare);
          work(worker);
          spare->give_back(1);
        });
      }
    } catch (const std::exception&) {
      // No memory or no thread for another worker: those that run, this one among them, share the items.
      spare->give_back(others - begun);
    }
    const InLoop in(spare);
    work(0);
  }  // joins
  if (error) return *std::move(error);
  return {};
}

Status parallel_for(size_t items, int threads, const std::function<Status(size_t item, int worker)>& body) {
  return parallel_for_at_once(items, items, threads, body);
}

void parallel_for_or_throw(size_t items, int threads, const std::function<void(size_t item, int worker)>& body) {
  std::mutex mutex;
  std::exception_ptr thrown;
  const Status status = parallel_for(items, threads, [&](size_t item, int worker) -> Status {
    try {
      body(item, worker);
      return {};
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!thrown) thrown = std::current_exception();
      return Error(ErrorCode::kInternal, "exception");
    }
  });
  if (!status) std::rethrow_exception(thrown);
}

}  // namespace nwc
