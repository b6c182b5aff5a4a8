// The thread count of LibTorch and of its BLAS, for callers that do not include LibTorch.
#pragma once

namespace nwc {

// For the whole process; call before the first computation. threads >= 1.
void set_compute_threads(int threads);

}  // namespace nwc
