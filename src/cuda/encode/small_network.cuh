// The networks of a small codec on one chunk of each of a team's stripes: g_a, rounding, g_s.
#pragma once

#include <cuda_fp16.h>

#include <cstdint>

#include "cuda/encode/feedback.cuh"
#include "cuda/encode/kernels.h"
#include "cuda/encode/rounding.cuh"

namespace nwc::cuda {

inline constexpr uint32_t kW = kSmallAnalysisWidth;

// A team's part of shared memory while a network runs.
template <uint32_t kStripes>
struct NetworkBuffers {
  alignas(16) float hidden[kW][kStripes];
  alignas(16) float update[kStripes][kW + 4];
  alignas(16) float chunks[kChunk][kStripes];  // what goes in
  float latents[kChunk][kStripes];             // times the embedding, into g_s
  float mean[kStripes], inverse[kStripes];
};

// Loads 2 * kStripes neighbouring floats.
template <uint32_t kStripes>
__device__ inline void load_pair(const float* from, float (&to)[2 * kStripes]) {
  if constexpr (kStripes == 1) {
    const float2 v = *reinterpret_cast<const float2*>(from);
    to[0] = v.x, to[1] = v.y;
  } else {
#pragma unroll
    for (uint32_t i = 0; i < 2 * kStripes; i += 4) {
      const float4 v = *reinterpret_cast<const float4*>(from + i);
      to[i] = v.x, to[i + 1] = v.y, to[i + 2] = v.z, to[i + 3] = v.w;
    }
  }
}

// acc[s] += sum over inputs, ascending, of weight * x[input][s]; `weights`: pairs of inputs, `outputs` pairs apart.
template <uint32_t kStripes, uint32_t kInputs, uint32_t kOutputs>
__device__ inline void linear(const __half2* weights, const float* x, float (&acc)[kStripes]) {
#pragma unroll 8
  for (uint32_t k = 0; k < kInputs / 2; ++k) {
    const float2 w = __half22float2(weights[k * kOutputs]);
    float v[2 * kStripes];
    load_pair<kStripes>(x + 2 * k * kStripes, v);
#pragma unroll
    for (uint32_t s = 0; s < kStripes; ++s) acc[s] = __fmaf_rn(w.x, v[s], acc[s]);
#pragma unroll
    for (uint32_t s = 0; s < kStripes; ++s) acc[s] = __fmaf_rn(w.y, v[kStripes + s], acc[s]);
  }
}

// One chunk of each stripe, from buffers.chunks, through g_a, rounding and g_s. Threads below 16 * kStripes get
// component thread % 16 of stripe thread / 16: the symbol, and what is decoded.
template <uint32_t kStripes>
__device__ inline void quantise(const uint8_t* image, const SmallCodecShape& shape, const SmallCodecLayout& layout,
                                uint32_t level, NetworkBuffers<kStripes>& buffers, uint32_t team, uint32_t thread,
                                int32_t& symbol, float& decoded) {
  const auto floats = [&](uint32_t at) { return reinterpret_cast<const float*>(image + at); };
  const auto pairs = [&](uint32_t at) { return reinterpret_cast<const __half2*>(image + at); };
  float h[kStripes];
  {
    const float bias = floats(layout.in_bias)[thread];
#pragma unroll
    for (uint32_t s = 0; s < kStripes; ++s) h[s] = bias;
    linear<kStripes, kChunk, kW>(pairs(layout.in_weight) + thread, &buffers.chunks[0][0], h);
#pragma unroll
    for (uint32_t s = 0; s < kStripes; ++s) buffers.hidden[thread][s] = h[s];
  }
  team_barrier(team);
  for (uint32_t b = 0; b < shape.depth; ++b) {
    const float* const vectors = floats(layout.block_vectors) + b * 3 * kW + thread;
    float u[kStripes];
#pragma unroll
    for (uint32_t s = 0; s < kStripes; ++s) u[s] = vectors[0];
    linear<kStripes, kW, kW>(pairs(layout.blocks) + b * (kW / 2) * kW + thread, &buffers.hidden[0][0], u);
#pragma unroll
    for (uint32_t s = 0; s < kStripes; ++s) buffers.update[s][thread] = u[s];
    team_barrier(team);
    if (thread < kStripes) {
      const float4* const from = reinterpret_cast<const float4*>(buffers.update[thread]);
      float sum = 0;
#pragma unroll 8
      for (uint32_t j = 0; j < kW / 4; ++j) {
        const float4 v = from[j];
        sum = sum + v.x;
        sum = sum + v.y;
        sum = sum + v.z;
        sum = sum + v.w;
      }
      const float mean = __fdiv_rn(sum, static_cast<float>(kW));
      float squares = 0;
#pragma unroll 8
      for (uint32_t j = 0; j < kW / 4; ++j) {
        const float4 v = from[j];
        const float a = v.x - mean, b2 = v.y - mean, c = v.z - mean, d = v.w - mean;
        squares = __fmaf_rn(a, a, squares);
        squares = __fmaf_rn(b2, b2, squares);
        squares = __fmaf_rn(c, c, squares);
        squares = __fmaf_rn(d, d, squares);
      }
      buffers.mean[thread] = mean;
      buffers.inverse[thread] = __fdiv_rn(1.0f, __fsqrt_rn(__fdiv_rn(squares, static_cast<float>(kW)) + 1e-5f));
    }
    team_barrier(team);
    const float gain = vectors[kW], offset = vectors[2 * kW];
    const float embedding =
        floats(layout.embeddings)[((shape.embedding_sets == 1 ? 0 : b) * shape.levels + level) * kW + thread];
#pragma unroll
    for (uint32_t s = 0; s < kStripes; ++s) {
      const float t = __fmaf_rn((u[s] - buffers.mean[s]) * buffers.inverse[s], gain, offset);
      h[s] = (h[s] + (t > 0.0f ? t : 0.0f)) * embedding;
      buffers.hidden[thread][s] = h[s];
    }
    team_barrier(team);
  }
  const uint32_t component = thread % kChunk, stripe = thread / kChunk;
  if (stripe < kStripes) {
    float z = floats(layout.out_bias)[component];
    const __half2* const weights = pairs(layout.out_weight) + component;
#pragma unroll 8
    for (uint32_t k = 0; k < kW / 2; ++k) {
      const float2 w = __half22float2(weights[k * kChunk]);
      z = __fmaf_rn(w.x, buffers.hidden[2 * k][stripe], z);
      z = __fmaf_rn(w.y, buffers.hidden[2 * k + 1][stripe], z);
    }
    const float center = floats(layout.centers)[level * kChunk + component];
    z = z - center;
    symbol = round_latent(z);
    buffers.latents[component][stripe] =
        (static_cast<float>(symbol) + center) * floats(layout.synthesis_embedding)[level * kChunk + component];
  }
  team_barrier(team);
  if (stripe < kStripes) {
    decoded = floats(layout.synthesis_bias)[component];
#pragma unroll
    for (uint32_t k = 0; k < kChunk; ++k)
      decoded = __fmaf_rn(floats(layout.synthesis_weight)[k * kChunk + component], buffers.latents[k][stripe], decoded);
  }
}

}  // namespace nwc::cuda
