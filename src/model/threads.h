// LibTorch's thread count, for callers that do not include LibTorch.
#pragma once

namespace nwc {

// For the whole process; call before the first computation. threads >= 1.
void set_compute_threads(int threads);

}  // namespace nwc
