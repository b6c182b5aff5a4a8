// Contexts by scale classes on the device (format/context_rule.h, ScaleClasses).
#pragma once

#include <cstdint>

#include "cuda/encode/kernels.h"

namespace nwc::cuda {

// Rows past the end of the matrix have class 0.
__device__ inline uint32_t context_of(const LineClasses& classes, uint64_t column, uint64_t row) {
  const int32_t sum = classes.columns[column] + (row < classes.rows_of_matrix ? classes.rows[row] : 0);
  return static_cast<uint32_t>(min(max(sum, 0), classes.last));
}

}  // namespace nwc::cuda
