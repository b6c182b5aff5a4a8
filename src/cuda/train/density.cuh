// The cumulative function of the learned density, one channel at a time.
#pragma once

#include "cuda/train/common.cuh"

namespace nwc::fused {

constexpr int kHidden = 3, kHiddenLayers = kDensityLayers - 1;
// Where a channel's parameters stand among its 58: matrices, biases, factors.
__device__ constexpr int matrix_at(int layer) { return layer == 0 ? 0 : kHidden + (layer - 1) * kHidden * kHidden; }
constexpr int kBiases = kHidden + 3 * kHidden * kHidden + kHidden;
__device__ constexpr int bias_at(int layer) { return kBiases + layer * kHidden; }
constexpr int kFactors = kBiases + kHiddenLayers * kHidden + 1;
__device__ constexpr int factor_at(int layer) { return kFactors + layer * kHidden; }
static_assert(kFactors + kHiddenLayers * kHidden == kDensityParameters);

__device__ inline float softplus(float x) { return x > 20.0f ? x : log1pf(expf(x)); }
__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// The flat buffer's index of parameter k of a channel.
__device__ inline int64_t parameter_index(const DensityLayout& layout, int channel, int k) {
  if (k < kBiases) {
    const int layer = k < kHidden ? 0 : 1 + (k - kHidden) / (kHidden * kHidden);
    const int size = layer == 0 || layer == kHiddenLayers ? kHidden : kHidden * kHidden;
    return layout.matrix[layer] + static_cast<int64_t>(channel) * size + (k - matrix_at(layer));
  }
  if (k < kFactors) {
    const int layer = (k - kBiases) / kHidden;
    return layout.bias[layer] + static_cast<int64_t>(channel) * (layer == kHiddenLayers ? 1 : kHidden) +
           (k - bias_at(layer));
  }
  const int layer = (k - kFactors) / kHidden;
  return layout.factor[layer] + static_cast<int64_t>(channel) * kHidden + (k - factor_at(layer));
}

// A channel's parameters as the cumulative function uses them: softplus of matrices, tanh of factors.
__device__ inline void load_density(const float* parameters, const DensityLayout& layout, int channel, float* used) {
  for (int k = threadIdx.x; k < kDensityParameters; k += blockDim.x) {
    const float raw = parameters[parameter_index(layout, channel, k)];
    used[k] = k < kBiases ? softplus(raw) : k < kFactors ? raw : tanhf(raw);
  }
  __syncthreads();
}

// What the way back through the cumulative function needs.
struct DensityTrace {
  float h[kHiddenLayers][kHidden], t[kHiddenLayers][kHidden];
};

__device__ inline float cumulative_logit(const float* used, float v, DensityTrace& trace) {
#pragma unroll
  for (int layer = 0; layer < kHiddenLayers; ++layer) {
#pragma unroll
    for (int i = 0; i < kHidden; ++i) {
      float a = used[bias_at(layer) + i];
      if (layer == 0) {
        a += used[matrix_at(0) + i] * v;
      } else {
#pragma unroll
        for (int j = 0; j < kHidden; ++j)
          a += used[matrix_at(layer) + i * kHidden + j] * trace.h[layer > 0 ? layer - 1 : 0][j];
      }
      const float t = tanhf(a);
      trace.t[layer][i] = t;
      trace.h[layer][i] = a + used[factor_at(layer) + i] * t;
    }
  }
  float logit = used[bias_at(kHiddenLayers)];
#pragma unroll
  for (int j = 0; j < kHidden; ++j) logit += used[matrix_at(kHiddenLayers) + j] * trace.h[kHiddenLayers - 1][j];
  return logit;
}

// Adds the gradients of the parameters, for a gradient g of the logit; returns that of v. `sums` may be null.
__device__ inline float cumulative_backward(const float* used, float v, const DensityTrace& trace, float g,
                                            float* sums) {
  float dh[kHidden];
#pragma unroll
  for (int j = 0; j < kHidden; ++j) {
    dh[j] = g * used[matrix_at(kHiddenLayers) + j];
    if (sums != nullptr) sums[matrix_at(kHiddenLayers) + j] += g * trace.h[kHiddenLayers - 1][j];
  }
  if (sums != nullptr) sums[bias_at(kHiddenLayers)] += g;
  float dv = 0;
#pragma unroll
  for (int layer = kHiddenLayers - 1; layer >= 0; --layer) {
    float before[kHidden] = {};
#pragma unroll
    for (int i = 0; i < kHidden; ++i) {
      const float t = trace.t[layer][i], da = dh[i] * (1.0f + used[factor_at(layer) + i] * (1.0f - t * t));
      if (sums != nullptr) {
        sums[factor_at(layer) + i] += dh[i] * t;
        sums[bias_at(layer) + i] += da;
      }
      if (layer == 0) {
        dv += da * used[matrix_at(0) + i];
        if (sums != nullptr) sums[matrix_at(0) + i] += da * v;
      } else {
#pragma unroll
        for (int j = 0; j < kHidden; ++j) {
          before[j] += da * used[matrix_at(layer) + i * kHidden + j];
          if (sums != nullptr) sums[matrix_at(layer) + i * kHidden + j] += da * trace.h[layer > 0 ? layer - 1 : 0][j];
        }
      }
    }
#pragma unroll
    for (int j = 0; j < kHidden; ++j) dh[j] = before[j];
  }
  return dv;
}

}  // namespace nwc::fused
