// What the kernels of a training step share: conversions, sums over warps and blocks.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "cuda/train/kernels.h"

namespace nwc::fused {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xFFFFFFFFu;
constexpr int kThreads = 256;

inline int blocks_for(int64_t count) { return static_cast<int>((count + kThreads - 1) / kThreads); }

__device__ inline float to_float(bf16 x) { return __uint_as_float(static_cast<unsigned>(x) << 16); }
__device__ inline bf16 to_low(float x) { return __bfloat16_as_ushort(__float2bfloat16_rn(x)); }

__device__ inline float warp_sum(float x) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) x += __shfl_xor_sync(kAllLanes, x, distance);
  return x;
}

// The sum of a block's values, in every thread of its first warp; `scratch` holds a value per warp.
template <typename T>
__device__ T block_sum(T x, T* scratch) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) x += __shfl_xor_sync(kAllLanes, x, distance);
  const int warps = blockDim.x / kWarp, lane = threadIdx.x % kWarp;
  if (lane == 0) scratch[threadIdx.x / kWarp] = x;
  __syncthreads();
  x = lane < warps ? scratch[lane] : T(0);
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) x += __shfl_xor_sync(kAllLanes, x, distance);
  return x;
}

}  // namespace nwc::fused
