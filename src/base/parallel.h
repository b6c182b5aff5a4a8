// Data-parallel loops whose results do not depend on the number of threads.
#pragma once

#include <cstddef>
#include <functional>

#include "nwcodec/result.h"

namespace nwc {

// threads <= 0: all cores of this process's affinity mask.
int resolve_threads(int threads);

// Calls body(item, worker) for each item in [0, items), on `threads` workers numbered from 0 (fewer if the system has
// no more threads), each item exactly once and in no particular order. Loops inside a body share the threads of the
// outermost one: they get those that it leaves or has no more items for. The first error (lowest item number among
// those that ran) is returned; after an error no new items start. An exception of a body is an error too: kLimit where
// memory ran out, kInternal otherwise. Throws nothing.
Status parallel_for(size_t items, int threads, const std::function<Status(size_t item, int worker)>& body);

// The same with at most `at_once` items at a time, for bodies that take much memory; the other threads are left to
// loops inside them.
Status parallel_for_at_once(size_t items, size_t at_once, int threads,
                            const std::function<Status(size_t item, int worker)>& body);

// The same for bodies without errors of their own: throws what a body threw, in the calling thread. Not for the decode
// library, which throws nothing.
void parallel_for_or_throw(size_t items, int threads, const std::function<void(size_t item, int worker)>& body);

}  // namespace nwc
