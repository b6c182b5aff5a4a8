// LibTorch reports failure by throwing; our functions by Result. This is the one place where the former becomes the
// latter.
#pragma once

#include <exception>
#include <new>
#include <string>
#include <utility>

#include "nwcodec/result.h"

namespace nwc {

// Runs `body`, which returns a Result or Status, and turns an exception into kInternal: "WHAT failed: first line of
// the exception's text".
template <class Body>
auto catch_foreign(const char* what, Body&& body) -> decltype(body()) {
  try {
    return std::forward<Body>(body)();
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::kInternal, std::string(what) + " failed: out of memory");
  } catch (const std::exception& e) {
    const std::string text = e.what();
    return Error(ErrorCode::kInternal, std::string(what) + " failed: " + text.substr(0, text.find('\n')));
  }
}

}  // namespace nwc
