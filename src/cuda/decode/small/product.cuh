// The epilogue of a matrix-vector product.
#pragma once

#include <cuda_fp16.h>

#include <cstdint>

#include "cuda/decode/small/store.cuh"
#include "cuda/support/ptx.cuh"

namespace nwc::cuda::small {

// A matrix-vector product's other factors: x is [batch][columns] in binary16, y [batch][rows] in binary32, added to.
// batch: 1 to 8, or 16.
struct Product {
  const __half* x;
  float* y;
  uint32_t batch, columns, rows;
};
__device__ inline void add_rows(const Product& product, const float (&sums)[2][4], uint64_t first_row, uint32_t lane) {
#pragma unroll
  for (uint32_t part = 0; part < 2; ++part) {
#pragma unroll
    for (uint32_t i = 0; i < 4; ++i) {
      const uint64_t row = first_row + lane / 4 + 8 * (i / 2);
      const uint32_t b = 8 * part + 2 * (lane % 4) + i % 2;
      if (row < product.rows && b < product.batch) atomicAdd(product.y + size_t{b} * product.rows + row, sums[part][i]);
    }
  }
}
// sums += W x of a group whose weights (scaled, 16 rows by 32 neighbouring columns) stand in y as mma leaves them.
__device__ inline void multiply(const float (&y)[4][4], const Product& product, uint32_t column, float (&sums)[2][4],
                                uint32_t lane) {
#pragma unroll
  for (uint32_t s = 0; s < 2; ++s) {
    const uint32_t a[4] = {pack<kF16>(y[2 * s][0], y[2 * s][1]), pack<kF16>(y[2 * s][2], y[2 * s][3]),
                           pack<kF16>(y[2 * s + 1][0], y[2 * s + 1][1]), pack<kF16>(y[2 * s + 1][2], y[2 * s + 1][3])};
#pragma unroll
    for (uint32_t part = 0; part < 2; ++part) {
      const uint32_t b = 8 * part + lane / 4;
      const bool has = b < product.batch;
      const uint32_t* const x =
          reinterpret_cast<const uint32_t*>(product.x + size_t{b} * product.columns + column + 16 * s + 2 * (lane % 4));
      if (part == 0 || product.batch > 8) mma_float(sums[part], a, has ? __ldg(x) : 0, has ? __ldg(x + 4) : 0);
    }
  }
}

}  // namespace nwc::cuda::small
