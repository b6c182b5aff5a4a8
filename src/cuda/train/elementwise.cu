// Element by element: biases, scales, sums and conversions.
#include "cuda/train/common.cuh"

namespace nwc::fused {
namespace {

__global__ void add_bias_kernel(float* h, const float* bias, int64_t count, int width, bf16* low) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const float value = h[i] + bias[i % width];
  h[i] = value;
  low[i] = to_low(value);
}

__global__ void add_bias_and_noise_kernel(const float* latents, const float* bias, const float* noise, int64_t count,
                                          int width, float* noisy, bf16* low) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const float value = latents[i] + bias[i % width] + noise[i];
  noisy[i] = value;
  low[i] = to_low(value);
}

__global__ void scale_by_level_kernel(const float* x, const float* scale, int64_t count, int64_t per_level, int width,
                                      float* out, bf16* low) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const float value = x[i] * scale[i / width / per_level * width + i % width];
  out[i] = value;
  low[i] = to_low(value);
}

__global__ void add_to_bf16_kernel(const float* a, const float* b, int64_t count, bf16* sum) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) sum[i] = to_low(a[i] + b[i]);
}

__global__ void squared_error_kernel(const float* output, const float* bias, const float* x, int64_t count, int width,
                                     double weight, bf16* gradient, double* loss_parts) {
  __shared__ double scratch[kThreads / kWarp];
  double sum = 0;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
       i += static_cast<int64_t>(gridDim.x) * blockDim.x) {
    const float error = output[i] + bias[i % width] - x[i];
    gradient[i] = to_low(static_cast<float>(2 * weight) * error);
    sum += static_cast<double>(error) * static_cast<double>(error);
  }
  sum = block_sum(sum, scratch);
  if (threadIdx.x == 0) loss_parts[blockIdx.x] = weight * sum;
}

__global__ void to_bf16_kernel(const float* in, int64_t count, bf16* out) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) out[i] = to_low(in[i]);
}

}  // namespace

void add_bias(float* h, const float* bias, int64_t rows, int width, bf16* low, cudaStream_t stream) {
  add_bias_kernel<<<blocks_for(rows * width), kThreads, 0, stream>>>(h, bias, rows * width, width, low);
}

void add_bias_and_noise(const float* latents, const float* bias, const float* noise, int64_t rows, int width,
                        float* noisy, bf16* low, cudaStream_t stream) {
  add_bias_and_noise_kernel<<<blocks_for(rows * width), kThreads, 0, stream>>>(latents, bias, noise, rows * width,
                                                                               width, noisy, low);
}

void scale_by_level(const float* x, const float* scale, Batch batch, int width, float* out, bf16* low,
                    cudaStream_t stream) {
  const int64_t count = batch.levels * batch.per_level * width;
  scale_by_level_kernel<<<blocks_for(count), kThreads, 0, stream>>>(x, scale, count, batch.per_level, width, out, low);
}

void add_to_bf16(const float* a, const float* b, int64_t count, bf16* sum, cudaStream_t stream) {
  add_to_bf16_kernel<<<blocks_for(count), kThreads, 0, stream>>>(a, b, count, sum);
}

void squared_error(const float* output, const float* bias, const float* x, int64_t rows, int width, double weight,
                   bf16* gradient, int64_t parts, double* loss_parts, cudaStream_t stream) {
  squared_error_kernel<<<static_cast<int>(parts), kThreads, 0, stream>>>(output, bias, x, rows * width, width, weight,
                                                                         gradient, loss_parts);
}

void to_bf16(const float* in, int64_t count, bf16* out, cudaStream_t stream) {
  to_bf16_kernel<<<blocks_for(count), kThreads, 0, stream>>>(in, count, out);
}

}  // namespace nwc::fused
