// Weights from the layout of mma's results to rows in device memory.
#pragma once

#include <cuda_fp16.h>

#include <cstdint>

#include "cuda/decode/small/layout.cuh"
#include "cuda/decode/tile_access.cuh"
#include "cuda/support/ptx.cuh"

namespace nwc::cuda::small {

// Two weights of neighbouring columns, rounded to nearest even; too large ones become the largest number.
template <uint32_t kType>
__device__ inline uint32_t pack(float first, float second) {
  uint32_t packed;
  if constexpr (kType == kBF16) {
    asm("cvt.rn.satfinite.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(second), "f"(first));
  } else {
    asm("cvt.rn.satfinite.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(second), "f"(first));
  }
  return packed;
}

__device__ inline bool all_finite(const float (&y)[4][4]) {
  float check[4];
#pragma unroll
  for (uint32_t n = 0; n < 4; ++n)
    check[n] = fmaf(y[n][3], 0.0f, fmaf(y[n][2], 0.0f, fmaf(y[n][1], 0.0f, y[n][0] * 0.0f)));
  return __all_sync(kAllLanes, check[0] + check[1] + (check[2] + check[3]) == 0.0f);
}

__device__ inline void scale_columns(float (&y)[4][4], const WarpBuffers& buffers, uint32_t lane) {
#pragma unroll
  for (uint32_t n = 0; n < 4; ++n) {
    const float2 s = *reinterpret_cast<const float2*>(&buffers.scales[8 * n + 2 * (lane % 4)]);
    y[n][0] *= s.x, y[n][1] *= s.y, y[n][2] *= s.x, y[n][3] *= s.y;
  }
}
template <uint32_t kType>
__device__ inline void pack_rows(const float (&y)[4][4], uint32_t (&low)[4], uint32_t (&high)[4]) {
#pragma unroll
  for (uint32_t n = 0; n < 4; ++n) low[n] = pack<kType>(y[n][0], y[n][1]), high[n] = pack<kType>(y[n][2], y[n][3]);
}
// Four blocks of eight rows by eight weights, side by side, from the layout of mma's results.
__device__ inline void put_blocks(uint8_t* rows, const uint32_t (&a)[4], uint32_t lane) {
#if __CUDA_ARCH__ >= 900
  const uint32_t address = shared_address(rows + lane % 8 * kRowStride + 16 * (lane / 8));
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1,%2,%3,%4};"
               :
               : "r"(address), "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3])
               : "memory");
#else
#pragma unroll
  for (uint32_t i = 0; i < 4; ++i)
    *reinterpret_cast<uint32_t*>(rows + lane / 4 * kRowStride + 16 * i + 4 * (lane % 4)) = a[i];
#endif
}

// The rows and columns of a group whose chunks are neighbouring columns of one stripe, inside the slice and on
// boundaries of 16 bytes: `to` is where the lane's eight weights of row lane / 4 go, those of row + 8 `eight_rows`
// bytes further.
__device__ inline void store_together(const uint32_t (&low)[4], const uint32_t (&high)[4], uint8_t* staging,
                                      uint8_t* to, int64_t eight_rows, uint32_t lane) {
  put_blocks(staging, low, lane);
  put_blocks(staging + 8 * kRowStride, high, lane);
  __syncwarp();
  const uint8_t* const from = staging + lane / 4 * kRowStride + 16 * (lane % 4);
  __stwb(reinterpret_cast<uint4*>(to), *reinterpret_cast<const uint4*>(from));
  __stwb(reinterpret_cast<uint4*>(to + eight_rows), *reinterpret_cast<const uint4*>(from + 8 * kRowStride));
}

// Any group: rows of 32 chunks in binary32, a lane writes its chunk's.
__device__ inline void store_apart(const Group* group, const float* rows, uint64_t stripe, uint32_t place,
                                   uint32_t lane, bool active) {
  if (!active) return;
  const uint64_t column = group->columns != nullptr ? group->columns[place] : place;
  const uint64_t row = stripe * kN;
  if (column < group->column_begin || column >= group->column_end) return;
  const float scale = group->scales[column];
  const float* const factors = group->factors;
  const uint32_t first = row >= group->row_begin ? 0 : static_cast<uint32_t>(min(group->row_begin - row, uint64_t{kN}));
  const uint32_t last = row >= group->row_end ? 0 : static_cast<uint32_t>(min(group->row_end - row, uint64_t{kN}));
  const int64_t step = group->row_step;
  uint16_t* const out = static_cast<uint16_t*>(group->out) +
                        (static_cast<int64_t>(row) - static_cast<int64_t>(group->row_begin)) * step +
                        static_cast<int64_t>(column - group->column_begin) * group->column_step;
  const bool bf16 = group->dtype == kBF16;
  for (uint32_t j = first; j < last; ++j) {
    const float weight = rows[j * 32 + lane] * scale * (factors != nullptr ? factors[row + j] : 1.0f);
    out[j * step] = static_cast<uint16_t>(bf16 ? pack<kBF16>(weight, 0.0f) : pack<kF16>(weight, 0.0f));
  }
}

}  // namespace nwc::cuda::small
