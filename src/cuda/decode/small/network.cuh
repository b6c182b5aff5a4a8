// g_s of 32 chunks on the tensor cores, in binary16.
#pragma once

#include <cuda_fp16.h>

#include <cstdint>

#include "cuda/decode/small/layout.cuh"
#include "cuda/decode/tile_access.cuh"
#include "cuda/support/ptx.cuh"

namespace nwc::cuda::small {

struct Words {
  uint32_t w[4];
};
__device__ inline Words weight(const SmallNetwork& network, uint32_t index, uint32_t lane) {
  const uint4 v = *reinterpret_cast<const uint4*>(network.weights[index][lane]);
  return {{v.x, v.y, v.z, v.w}};
}
__device__ inline Words vector(const SmallNetwork& network, uint32_t index, uint32_t lane) {
  const uint4 v = *reinterpret_cast<const uint4*>(network.vectors[index][lane % 4]);
  return {{v.x, v.y, v.z, v.w}};
}

// h += max(0, layer_norm(W h + b)) of 32 chunks: h[m][t] are outputs 8 t.. of chunks 16 m.. in the layout of mma's
// results.
template <uint32_t kBlock>
__device__ inline void residual(const SmallNetwork& network, uint32_t (&h)[2][4][2], uint32_t lane) {
  uint32_t u[2][4][2];
  const Words bias = vector(network, 1 + 3 * kBlock, lane);
#pragma unroll
  for (uint32_t t = 0; t < 4; ++t) {
    const Words w = weight(network, 2 + 4 * kBlock + t, lane);
#pragma unroll
    for (uint32_t m = 0; m < 2; ++m) {
      const uint32_t a[2][4] = {{h[m][0][0], h[m][0][1], h[m][1][0], h[m][1][1]},
                                {h[m][2][0], h[m][2][1], h[m][3][0], h[m][3][1]}};
      mma_half(u[m][t], a[0], w.w[0], w.w[1], bias.w[t], bias.w[t]);
      mma_half(u[m][t], a[1], w.w[2], w.w[3], u[m][t][0], u[m][t][1]);
    }
  }
  // Sums of squares are the diagonal of U U^T; registers of an operand with chunks as rows serve as one with chunks as
  // columns.
  const uint32_t quad = lane / 4, diagonal = quad * 4 + quad / 2;
  __half2 r[2][2];
#pragma unroll
  for (uint32_t m = 0; m < 2; ++m) {
    float low[4] = {}, high[4] = {};
#pragma unroll
    for (uint32_t s = 0; s < 2; ++s) {
      const uint32_t v[4] = {u[m][2 * s][0], u[m][2 * s][1], u[m][2 * s + 1][0], u[m][2 * s + 1][1]};
      mma_float(low, v, v[0], v[2]);
      mma_float(high, v, v[1], v[3]);
    }
    const float squares[2] = {__shfl_sync(kAllLanes, quad % 2 ? low[1] : low[0], diagonal),
                              __shfl_sync(kAllLanes, quad % 2 ? high[3] : high[2], diagonal)};
#pragma unroll
    for (uint32_t i = 0; i < 2; ++i) {
      float scale;
      asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(scale) : "f"(fmaf(squares[i], 1.0f / kW, 1e-5f)));
      // Below 2^-13 binary16 loses digits: NaN leads to binary32.
      r[m][i] = __float2half2_rn(scale < 0x1p-13f ? __int_as_float(0x7FC00000) : scale);
    }
  }
  const Words gain = vector(network, 2 + 3 * kBlock, lane), offset = vector(network, 3 + 3 * kBlock, lane);
#pragma unroll
  for (uint32_t m = 0; m < 2; ++m) {
#pragma unroll
    for (uint32_t t = 0; t < 4; ++t) {
#pragma unroll
      for (uint32_t i = 0; i < 2; ++i) {
        const __half2 x =
            __hfma2_relu(__hmul2(as_half2(u[m][t][i]), r[m][i]), as_half2(gain.w[t]), as_half2(offset.w[t]));
        h[m][t][i] = bits_of(__hadd2(as_half2(h[m][t][i]), x));
      }
    }
  }
}

// What a lane needs of the output layer.
struct Output {
  Words weights;
  float bias_low, bias_high;
};
__device__ inline Output output_of(const SmallNetwork& network, uint32_t lane) {
  return {weight(network, 10, lane), network.out_bias[lane / 4], network.out_bias[lane / 4 + 8]};
}
// g_s of 32 chunks whose latents stand in `staging`: y[n][..] are rows lane / 4 and + 8 of chunks 8 n + 2 (lane % 4)
// and + 1, as mma leaves them: {row, chunk}, {row, chunk + 1}, {row + 8, chunk}, {row + 8, chunk + 1}.
template <SmallShape kShape>
__device__ inline void synthesise(const SmallNetwork& network, const Output& output, const uint8_t* staging,
                                  uint32_t lane, float (&y)[4][4]) {
#pragma unroll
  for (uint32_t n = 0; n < 4; ++n) y[n][0] = y[n][1] = output.bias_low, y[n][2] = y[n][3] = output.bias_high;
  if constexpr (kShape == SmallShape::kLinear) {
    const Words& w = output.weights;
#pragma unroll
    for (uint32_t m = 0; m < 2; ++m) {
      uint32_t z[4];  // of chunks 16 m.. and 16 m + 8.., first latents 0 to 7, then the others
      ldmatrix(z, shared_address(staging) + (m * 16 + lane % 16) * kLatentStride + lane / 16 * 16);
      mma_float(y[2 * m], w.w, z[0], z[2]);
      mma_float(y[2 * m + 1], w.w, z[1], z[3]);
    }
    return;
  }
  uint32_t h[2][4][2];
  {
    const Words in[2] = {weight(network, 0, lane), weight(network, 1, lane)}, bias = vector(network, 0, lane);
#pragma unroll
    for (uint32_t m = 0; m < 2; ++m) {
      uint32_t z[4];
      ldmatrix(z, shared_address(staging) + (m * 16 + lane % 16) * kLatentStride + lane / 16 * 16);
#pragma unroll
      for (uint32_t t = 0; t < 4; ++t)
        mma_half(h[m][t], z, in[t / 2].w[t % 2 * 2], in[t / 2].w[t % 2 * 2 + 1], bias.w[t], bias.w[t]);
    }
  }
  residual<0>(network, h, lane);
  const Words embedding = vector(network, 7, lane);
#pragma unroll
  for (uint32_t i = 0; i < 16; ++i)
    h[i / 8][i / 2 % 4][i % 2] =
        bits_of(__hmul2(as_half2(h[i / 8][i / 2 % 4][i % 2]), as_half2(embedding.w[i / 2 % 4])));
  residual<1>(network, h, lane);
#pragma unroll
  for (uint32_t s = 0; s < 2; ++s) {
    const Words w = weight(network, 10 + s, lane);
#pragma unroll
    for (uint32_t n = 0; n < 4; ++n) mma_float(y[n], w.w, h[n / 2][2 * s][n % 2], h[n / 2][2 * s + 1][n % 2]);
  }
}

}  // namespace nwc::cuda::small
