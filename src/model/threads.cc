#include "model/threads.h"

#include <ATen/Parallel.h>

namespace nwc {

void set_compute_threads(int threads) { at::set_num_threads(threads); }

}  // namespace nwc
