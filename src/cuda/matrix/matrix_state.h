// What a CudaMatrix holds.
#pragma once

#include "cuda/matrix/layout.h"
#include "cuda/support/memory.h"
#include "nwcodec/cuda_matrix.h"

namespace nwc {

struct CudaMatrix::State {
  cuda::PairedMatrix matrix{};
  cuda::DeviceMemory lines, cells, words, corrections;  // what it points to; `lines`: all that goes by rows or columns
};

// So many stripes at most have a counter in front of a workspace.
inline constexpr uint64_t kMostStripes = 1u << 16;

}  // namespace nwc
