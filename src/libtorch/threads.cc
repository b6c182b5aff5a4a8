#include "libtorch/threads.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>

namespace nwc {

void set_compute_threads(int threads) {
  at::set_num_threads(threads);
  // LibTorch does not tell OpenBLAS, which has threads of its own; other libraries have no such function.
  using SetThreads = void (*)(int);
  if (const auto set = reinterpret_cast<SetThreads>(::dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))) set(threads);
}

}  // namespace nwc
