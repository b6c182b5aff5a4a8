// Exceptions of the standard library (no memory, no thread) become errors: at the decode library's public functions,
// and where a thread would otherwise end the program.
#pragma once

#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "nwcodec/result.h"

namespace nwc {

// Runs `body`, which returns a Result or Status. std::bad_alloc and std::length_error (a container that cannot grow)
// become kLimit "out of memory", any other exception kInternal. Messages short enough to need no memory of their own.
template <class Body>
auto catch_exceptions(Body&& body) -> decltype(body()) {
  try {
    return std::forward<Body>(body)();
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::kLimit, "out of memory");
  } catch (const std::length_error&) {
    return Error(ErrorCode::kLimit, "out of memory");
  } catch (const std::exception& e) {
    return Error(ErrorCode::kInternal, e.what());
  } catch (...) {
    return Error(ErrorCode::kInternal, "exception");
  }
}

}  // namespace nwc
