// Reading weights on the device.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "cuda/decode/device_types.h"
#include "cuda/encode/kernels.h"

namespace nwc::cuda {

__device__ inline float weight_at(const MatrixView& m, uint64_t row, uint64_t column) {
  const uint64_t at = m.transposed ? column * m.rows + row : row * m.columns + column;
  if (m.dtype == kF32) return static_cast<const float*>(m.values)[at];
  if (m.dtype == kF16) return __half2float(static_cast<const __half*>(m.values)[at]);
  return __bfloat162float(static_cast<const __nv_bfloat16*>(m.values)[at]);
}

}  // namespace nwc::cuda
