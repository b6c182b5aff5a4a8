#include "errors.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

namespace nb = nanobind;

namespace nwc::python {

void raise(const Error& error) {
  const nb::object exception = nb::module_::import_("nwcodec.errors")
                                   .attr("of_native")(static_cast<int>(error.code()), error.to_string(), error.file(),
                                                      error.tensor(), error.offset());
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exception.ptr())), exception.ptr());
  throw nb::python_error();
}

void run_interruptibly(nb::object callback, const std::function<void(const Progress&)>& work) {
  std::atomic<bool> stop = false;
  std::exception_ptr raised;  // by the callback, or a signal's
  std::mutex mutex;
  std::condition_variable ended;
  bool done = false;
  Progress progress{.report = {}, .stop = &stop};
  if (!callback.is_none()) {
    progress.report = [&](uint64_t at, uint64_t total, const std::string& what) {
      const nb::gil_scoped_acquire lock;
      if (raised) return;
      try {
        callback(at, total, what);
      } catch (...) {
        raised = std::current_exception();
        stop = true;
      }
    };
  }
  {
    const nb::gil_scoped_release unlocked;
    std::thread worker([&] {
      work(progress);
      const std::lock_guard lock(mutex);
      done = true;
      ended.notify_one();
    });
    constexpr auto kBetweenLooks = std::chrono::milliseconds(50);
    for (std::unique_lock lock(mutex); !ended.wait_for(lock, kBetweenLooks, [&] { return done; });) {
      lock.unlock();
      {
        const nb::gil_scoped_acquire held;
        if (!raised && PyErr_CheckSignals() != 0) {
          raised = std::make_exception_ptr(nb::python_error());
          stop = true;
        }
      }
      lock.lock();
    }
    worker.join();
  }
  if (raised) std::rethrow_exception(std::exchange(raised, nullptr));
}

}  // namespace nwc::python
