// Residual blocks, forward and backward: bias, layer normalisation, ReLU, skip, embedding.
#include "cuda/train/common.cuh"
#include "cuda/train/lane_columns.cuh"

namespace nwc::fused {
namespace {

constexpr float kNormEpsilon = 1e-5f;

template <int kVector, int kRuns>
__global__ void __launch_bounds__(kThreads)
    residual_forward_kernel(const bf16* y, const float* h, BlockParameters p, Batch batch, int width, float* out,
                            bf16* out_low, float* mean_out, float* deviation_out) {
  using Columns = LaneColumns<kVector, kRuns>;
  constexpr int kCount = Columns::kCount;
  const int64_t rows = batch.levels * batch.per_level, warps = static_cast<int64_t>(gridDim.x) * (kThreads / kWarp);
  float bias[kCount], gain[kCount], offset[kCount];
  Columns::load(p.bias, width, bias);
  Columns::load(p.gain, width, gain);
  Columns::load(p.offset, width, offset);
  for (int64_t row = blockIdx.x * static_cast<int64_t>(kThreads / kWarp) + threadIdx.x / kWarp; row < rows;
       row += warps) {
    float v[kCount], residual[kCount], embedding[kCount];
    Columns::load(y + row * width, width, v);
    Columns::load(h + row * width, width, residual);
    Columns::load(p.embedding + row / batch.per_level * width, width, embedding);
    float sum = 0;
#pragma unroll
    for (int i = 0; i < kCount; ++i) sum += v[i] += bias[i];
    const float mean = warp_sum(sum) / static_cast<float>(width);
    float squares = 0;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      v[i] -= mean;
      if (Columns::inside(i, width)) squares += v[i] * v[i];
    }
    const float deviation = rsqrtf(warp_sum(squares) / static_cast<float>(width) + kNormEpsilon);
#pragma unroll
    for (int i = 0; i < kCount; ++i)
      v[i] = (residual[i] + fmaxf(v[i] * deviation * gain[i] + offset[i], 0.0f)) * embedding[i];
    Columns::store(out + row * width, width, v);
    Columns::store(out_low + row * width, width, v);
    if (threadIdx.x % kWarp == 0) {
      mean_out[row] = mean;
      deviation_out[row] = deviation;
    }
  }
}

// A block walks a slab of one level's rows, a warp a row at a time, and keeps four sums per column in registers.
template <int kVector, int kRuns>
__global__ void __launch_bounds__(kThreads)
    residual_backward_kernel(const bf16* y, const float* h, const float* means, const float* deviations,
                             BlockParameters p, Batch batch, int width, bf16* gradient, bf16* y_gradient,
                             float* shared_parts, float* embedding_parts) {
  using Columns = LaneColumns<kVector, kRuns>;
  constexpr int kCount = Columns::kCount, kWarps = kThreads / kWarp;
  extern __shared__ float sums[];  // [kWarps][width]
  const int64_t per_level_parts = gridDim.x / batch.levels, level = blockIdx.x / per_level_parts,
                part = blockIdx.x % per_level_parts;
  const int64_t begin = level * batch.per_level + part * batch.per_level / per_level_parts;
  const int64_t end = level * batch.per_level + (part + 1) * batch.per_level / per_level_parts;
  const int warp = threadIdx.x / kWarp;
  float bias_sum[kCount] = {}, gain_sum[kCount] = {}, offset_sum[kCount] = {}, embedding_sum[kCount] = {};
  for (int64_t row = begin + warp; row < end; row += kWarps) {
    float v[kCount], total[kCount], g[kCount], parameter[kCount];
    Columns::load(y + row * width, width, v);
    Columns::load(h + row * width, width, total);
    Columns::load(gradient + row * width, width, g);
    const float mean = means[row], deviation = deviations[row];
    Columns::load(p.bias, width, parameter);
#pragma unroll
    for (int i = 0; i < kCount; ++i) v[i] = Columns::inside(i, width) ? (v[i] + parameter[i] - mean) * deviation : 0.0f;
    unsigned long long active = 0;
    {
      float offset[kCount];
      Columns::load(p.gain, width, parameter);
      Columns::load(p.offset, width, offset);
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        const float u = v[i] * parameter[i] + offset[i];
        if (u > 0) active |= 1ull << i;
        total[i] += fmaxf(u, 0.0f);
      }
    }
    float embedding[kCount];
    Columns::load(p.embedding + level * width, width, embedding);
    float sum = 0, product = 0;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      embedding_sum[i] += g[i] * total[i];
      g[i] *= embedding[i];
      const float through = (active >> i & 1) ? g[i] : 0.0f;
      gain_sum[i] += through * v[i];
      offset_sum[i] += through;
      total[i] = through * parameter[i];  // the gradient of the normalised value
      sum += total[i];
      product += total[i] * v[i];
    }
    Columns::store(gradient + row * width, width, g);
    sum = warp_sum(sum) / static_cast<float>(width);
    product = warp_sum(product) / static_cast<float>(width);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      total[i] = deviation * (total[i] - sum - v[i] * product);
      if (Columns::inside(i, width)) bias_sum[i] += total[i];
    }
    Columns::store(y_gradient + row * width, width, total);
  }
  const auto add_warps = [&](const float(&of_lane)[kCount], float* out) {
    Columns::store(sums + warp * width, width, of_lane);
    __syncthreads();
    for (int c = threadIdx.x; c < width; c += kThreads) {
      float sum = 0;
      for (int w = 0; w < kWarps; ++w) sum += sums[w * width + c];
      out[c] = sum;
    }
    __syncthreads();
  };
  float* const shared_out = shared_parts + blockIdx.x * 3ll * width;
  add_warps(bias_sum, shared_out);
  add_warps(gain_sum, shared_out + width);
  add_warps(offset_sum, shared_out + 2 * width);
  add_warps(embedding_sum, embedding_parts + static_cast<int64_t>(blockIdx.x) * width);
}

// Calls launch(LaneColumns shape) for the width.
template <typename Launch>
void with_shape(int width, const Launch& launch) {
  if (width == 1024) return launch.template operator()<8, 4>();
  if (width == 768) return launch.template operator()<8, 3>();
  if (width == 512) return launch.template operator()<8, 2>();
  if (width == 256) return launch.template operator()<8, 1>();
  if (width > 128) return launch.template operator()<1, 8>();
  if (width > 64) return launch.template operator()<1, 4>();
  return launch.template operator()<1, 2>();
}

struct ForwardLaunch {
  const bf16* y;
  const float* h;
  BlockParameters p;
  Batch batch;
  int width;
  float* out;
  bf16* out_low;
  float *mean, *deviation;
  cudaStream_t stream;
  template <int kVector, int kRuns>
  void operator()() const {
    const int64_t rows = batch.levels * batch.per_level;
    const int64_t blocks = rows / (kThreads / kWarp) + 1;
    residual_forward_kernel<kVector, kRuns><<<static_cast<int>(blocks < 1056 ? blocks : 1056), kThreads, 0, stream>>>(
        y, h, p, batch, width, out, out_low, mean, deviation);
  }
};

struct BackwardLaunch {
  const bf16* y;
  const float *h, *mean, *deviation;
  BlockParameters p;
  Batch batch;
  int width;
  bf16 *gradient, *y_gradient;
  int64_t parts;
  float *shared_parts, *embedding_parts;
  cudaStream_t stream;
  template <int kVector, int kRuns>
  void operator()() const {
    const size_t shared = sizeof(float) * (kThreads / kWarp) * static_cast<size_t>(width);  // at most 32 KB
    residual_backward_kernel<kVector, kRuns><<<static_cast<int>(parts), kThreads, shared, stream>>>(
        y, h, mean, deviation, p, batch, width, gradient, y_gradient, shared_parts, embedding_parts);
  }
};

}  // namespace

bool supports_width(int64_t width) { return width >= 1 && (width <= 256 || (width <= 1024 && width % 256 == 0)); }

void residual_forward(const bf16* y, const float* h, BlockParameters parameters, Batch batch, int width, float* out,
                      bf16* out_low, float* mean, float* deviation, cudaStream_t stream) {
  with_shape(width, ForwardLaunch{y, h, parameters, batch, width, out, out_low, mean, deviation, stream});
}

int64_t residual_parts(int levels, int multiprocessors) {
  const int64_t per_level = 2ll * multiprocessors / levels;
  return levels * (per_level > 0 ? per_level : 1);
}

void residual_backward(const bf16* y, const float* h, const float* mean, const float* deviation,
                       BlockParameters parameters, Batch batch, int width, bf16* gradient, bf16* y_gradient,
                       int64_t parts, float* shared_parts, float* embedding_parts, cudaStream_t stream) {
  with_shape(width, BackwardLaunch{y, h, mean, deviation, parameters, batch, width, gradient, y_gradient, parts,
                                   shared_parts, embedding_parts, stream});
}

}  // namespace nwc::fused
