// Contexts by scale classes on the device (format/context_rule.h, ScaleClasses).
#pragma once

#include <cstdint>

#include "cuda/encode/kernels.h"

namespace nwc::cuda {

// Rows past the end of the matrix have class 0, with a trellis the first context.
__device__ inline uint32_t context_of(const LineClasses& classes, uint64_t column, uint64_t row) {
  if (classes.odd != 0 && row >= classes.rows_of_matrix) return 0;
  const int32_t sum = classes.columns[column] + (row < classes.rows_of_matrix ? classes.rows[row] : 0);
  return static_cast<uint32_t>(min(max(sum, 0), classes.last));
}

// How an integer is coded: entropy/context.h, coded_integer().
struct CodedInteger {
  uint32_t context;
  int32_t value;
};
__device__ inline CodedInteger coded_integer(const LineClasses& classes, uint32_t context, int32_t integer) {
  if (classes.odd == 0) return {context, integer};
  return {context + ((integer & 1) != 0 ? static_cast<uint32_t>(classes.odd) : 0), integer >> 1};
}

}  // namespace nwc::cuda
