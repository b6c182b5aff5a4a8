#include "libtorch/threads.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>

#include <algorithm>

#include "base/parallel.h"

namespace nwc {

void set_compute_threads(int threads) {
  at::set_num_threads(threads);
  // LibTorch does not tell OpenBLAS, which has threads of its own; other libraries have no such function.
  using SetThreads = void (*)(int);
  if (const auto set = reinterpret_cast<SetThreads>(::dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))) set(threads);
}

Status for_each_on_cores(size_t items, size_t most, const std::function<Status(size_t item)>& body) {
  const int threads = at::get_num_threads();
  const auto workers = static_cast<int>(std::min({items, most, static_cast<size_t>(threads)}));
  if (workers < 2 || 2 * workers <= threads) {
    for (size_t item = 0; item < items; ++item) NWC_RETURN_IF_ERROR(body(item));
    return {};
  }
  set_compute_threads(1);
  const Status status = parallel_for(items, workers, [&](size_t item, int) {
    at::set_num_threads(1);  // of this thread
    return body(item);
  });
  set_compute_threads(threads);
  return status;
}

}  // namespace nwc
