// The threads of LibTorch and of its BLAS, for callers that do not include LibTorch.
#pragma once

#include <cstddef>
#include <functional>

#include "nwcodec/result.h"

namespace nwc {

// For the whole process; call before the first computation. threads >= 1.
void set_compute_threads(int threads);

// Calls body(item) for each item in [0, items), several at a time, each computing with one thread: operations that are
// shared among threads make these wait for each other after each of them, which costs several times the work itself
// where other programs run too. At most `most` items at a time, and no more than set_compute_threads() has set; if that
// would leave half of the threads idle, one item after another with all threads instead, as with `most` 1. Not for a
// GPU. Thread safety: one call at a time per process. Errors: that of the lowest item among those that ran.
Status for_each_on_cores(size_t items, size_t most, const std::function<Status(size_t item)>& body);

}  // namespace nwc
