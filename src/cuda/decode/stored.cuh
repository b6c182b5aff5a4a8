// From a weight in binary32 to the dtype that it is stored in: docs/format.md, section 6.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "cuda/decode/device_types.h"

namespace nwc::cuda {

template <uint32_t kType>
struct Stored;
template <>
struct Stored<kF32> {
  using Type = float;
  static constexpr float kMost = 3.402823466e38f;
  static __device__ Type of(float v) { return v; }
};
template <>
struct Stored<kF16> {
  using Type = __half;
  static constexpr float kMost = 65504.0f;
  static __device__ Type of(float v) { return __float2half_rn(v); }
};
template <>
struct Stored<kBF16> {
  using Type = __nv_bfloat16;
  static constexpr float kMost = 3.38953139e38f;
  static __device__ Type of(float v) { return __float2bfloat16_rn(v); }
};
template <uint32_t kType>
__device__ inline typename Stored<kType>::Type stored(float v) {
  return Stored<kType>::of(fminf(fmaxf(v, -Stored<kType>::kMost), Stored<kType>::kMost));
}

}  // namespace nwc::cuda
