#include "base/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "base/exceptions.h"

namespace nwc {

int resolve_threads(int threads) {
  if (threads > 0) return threads;
  cpu_set_t mask;
  if (::sched_getaffinity(0, sizeof(mask), &mask) == 0) return std::max(1, CPU_COUNT(&mask));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

Status parallel_for(size_t items, int threads, const std::function<Status(size_t item, int worker)>& body) {
  const size_t workers = std::min(items, static_cast<size_t>(resolve_threads(threads)));
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

  std::vector<std::jthread> pool;
  try {
    if (workers > 1) pool.reserve(workers - 1);
    for (size_t w = 1; w < workers; ++w) pool.emplace_back(work, static_cast<int>(w));
  } catch (const std::exception&) {
    // No memory or no thread for another worker: those that run, this one among them, share the items.
  }
  work(0);
  pool.clear();  // joins
  if (error) return *std::move(error);
  return {};
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
