// The rate under the learned density, and the gradients of its parameters.
#include "cuda/train/common.cuh"
#include "cuda/train/density.cuh"

namespace nwc::fused {
namespace {

constexpr float kLikelihoodBound = 1e-9f;
constexpr int kDensityThreads = 128;

// A block: one channel of one set, a part of its rows.
__global__ void __launch_bounds__(kDensityThreads)
    density_rate_kernel(const float* parameters, DensityLayout layout, int sets, int latents, const float* noisy,
                        const float* coefficients, double weight, Batch batch, float* noisy_gradient,
                        float* density_parts, double* loss_parts) {
  __shared__ float used[kDensityParameters];
  __shared__ float warp_sums[kDensityThreads / kWarp][kDensityParameters];
  __shared__ double scratch[kDensityThreads / kWarp];
  const int row_channel = blockIdx.y, channel = row_channel % latents, set = row_channel / latents;
  load_density(parameters, layout, row_channel, used);
  const int64_t rows = sets == 1 ? batch.levels * batch.per_level : batch.per_level, first = set * rows;
  const int64_t begin = first + blockIdx.x * rows / gridDim.x, end = first + (blockIdx.x + 1ll) * rows / gridDim.x;
  float sums[kDensityParameters];
#pragma unroll
  for (int k = 0; k < kDensityParameters; ++k) sums[k] = 0;
  double loss = 0;
  for (int64_t row = begin + threadIdx.x; row < end; row += kDensityThreads) {
    const float z = noisy[row * latents + channel];
    const double scale = weight / static_cast<double>(coefficients[row / batch.per_level]);
    DensityTrace below, above;
    const float lower = cumulative_logit(used, z - 0.5f, below), upper = cumulative_logit(used, z + 0.5f, above);
    const float both = lower + upper, sign = both > 0 ? -1.0f : both < 0 ? 1.0f : 0.0f;
    const float a = sigmoid(sign * upper), b = sigmoid(sign * lower), p = fabsf(a - b);
    float gradient = 0;
    if (p >= kLikelihoodBound) {
      const float outer = -static_cast<float>(scale) * 1.44269504f / p * (a > b ? 1.0f : -1.0f) * sign;
      gradient = cumulative_backward(used, z - 0.5f, below, -outer * b * (1.0f - b), sums) +
                 cumulative_backward(used, z + 0.5f, above, outer * a * (1.0f - a), sums);
    }
    loss -= scale * static_cast<double>(log2f(fmaxf(p, kLikelihoodBound)));
    noisy_gradient[row * latents + channel] = gradient;
  }
#pragma unroll
  for (int k = 0; k < kDensityParameters; ++k) {
    const float sum = warp_sum(sums[k]);
    if (threadIdx.x % kWarp == 0) warp_sums[threadIdx.x / kWarp][k] = sum;
  }
  loss = block_sum(loss, scratch);  // also makes the warps' sums visible
  const int64_t part = static_cast<int64_t>(blockIdx.x) * gridDim.y + row_channel;
  if (threadIdx.x == 0) loss_parts[part] = loss;
  for (int k = threadIdx.x; k < kDensityParameters; k += kDensityThreads) {
    float sum = 0;
    for (int w = 0; w < kDensityThreads / kWarp; ++w) sum += warp_sums[w][k];
    density_parts[part * kDensityParameters + k] = sum;
  }
}

__global__ void density_gradients_kernel(const float* parameters, DensityLayout layout, int channels,
                                         const float* density_parts, int splits, float* gradients) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= channels * kDensityParameters) return;
  const int channel = i / kDensityParameters, k = i % kDensityParameters;
  float sum = 0;
#pragma unroll 4
  for (int s = 0; s < splits; ++s) sum += density_parts[static_cast<int64_t>(s) * channels * kDensityParameters + i];
  const int64_t index = parameter_index(layout, channel, k);
  const float raw = parameters[index];
  if (k < kBiases) sum *= sigmoid(raw);
  if (k >= kFactors) sum *= 1.0f - tanhf(raw) * tanhf(raw);
  gradients[index] = sum;
}

__global__ void quantile_gradients_kernel(const float* parameters, DensityLayout layout, int64_t quantiles,
                                          float target, float* gradients) {
  __shared__ float used[kDensityParameters];
  load_density(parameters, layout, blockIdx.x, used);
  if (threadIdx.x >= 3) return;
  const int64_t index = quantiles + blockIdx.x * 3ll + threadIdx.x;
  DensityTrace trace;
  const float v = parameters[index],
              off = cumulative_logit(used, v, trace) - (static_cast<float>(threadIdx.x) - 1.0f) * target;
  gradients[index] = cumulative_backward(used, v, trace, off > 0 ? 1.0f : off < 0 ? -1.0f : 0.0f, nullptr);
}

}  // namespace

void density_rate(const float* parameters, DensityLayout layout, int sets, int latents, const float* noisy,
                  const float* coefficients, double weight, Batch batch, int splits, float* noisy_gradient,
                  float* density_parts, double* loss_parts, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(splits), static_cast<unsigned>(sets * latents));
  density_rate_kernel<<<grid, kDensityThreads, 0, stream>>>(parameters, layout, sets, latents, noisy, coefficients,
                                                            weight, batch, noisy_gradient, density_parts, loss_parts);
}

void density_gradients(const float* parameters, DensityLayout layout, int channels, const float* density_parts,
                       int splits, float* gradients, cudaStream_t stream) {
  density_gradients_kernel<<<blocks_for(channels * kDensityParameters), kThreads, 0, stream>>>(
      parameters, layout, channels, density_parts, splits, gradients);
}

void quantile_gradients(const float* parameters, DensityLayout layout, int64_t quantiles, int channels, float target,
                        float* gradients, cudaStream_t stream) {
  quantile_gradients_kernel<<<channels, 64, 0, stream>>>(parameters, layout, quantiles, target, gradients);
}

}  // namespace nwc::fused
