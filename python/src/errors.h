// Errors of the library as Python exceptions, and Python's interruptions as errors of the library.
#pragma once

#include <nanobind/nanobind.h>

#include <functional>
#include <optional>
#include <utility>

#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc::python {

// Raises the class of nwcodec/errors.py that stands for the error's code; the interpreter's lock is held.
[[noreturn]] void raise(const Error& error);

template <class T>
T value_of(Result<T> result) {
  if (!result) raise(result.error());
  return *std::move(result);
}
inline void check(const Status& status) {
  if (!status) raise(status.error());
}

// Runs `work` on a thread of its own without the interpreter's lock, while this one listens for signals: Ctrl-C stops
// the work at its next safe point and is raised then. `callback`: None, or called with (done, total, what); an
// exception of it stops the work, too.
void run_interruptibly(nanobind::object callback, const std::function<void(const Progress&)>& work);

template <class T>
T run_long(nanobind::object callback, const std::function<Result<T>(const Progress&)>& work) {
  std::optional<Result<T>> result;
  run_interruptibly(std::move(callback), [&](const Progress& progress) { result.emplace(work(progress)); });
  return value_of(*std::move(result));
}

}  // namespace nwc::python
