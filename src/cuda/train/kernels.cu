#include <cuda_bf16.h>

#include "cuda/train/kernels.h"

namespace nwc::fused {
namespace {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xFFFFFFFFu;
constexpr int kThreads = 256;
constexpr float kLikelihoodBound = 1e-9f;

int blocks_for(int64_t count) { return static_cast<int>((count + kThreads - 1) / kThreads); }

__device__ float to_float(bf16 x) { return __uint_as_float(static_cast<unsigned>(x) << 16); }
__device__ bf16 to_low(float x) { return __bfloat16_as_ushort(__float2bfloat16_rn(x)); }

// splitmix64's finaliser: a counter becomes random bits.
__device__ uint64_t mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9ull;
  x ^= x >> 27;
  x *= 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

__device__ float warp_sum(float x) {
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

__global__ void begin_step_kernel(StepState* state, Schedule s) {
  const double done = static_cast<double>(state->step) / s.total_steps;
  const double fall = s.cosine ? fmax(0.01, 0.5 * (1.0 + cospi(done))) : 1.0;
  const int64_t step = ++state->step;
  const float rate = static_cast<float>(s.learning_rate * fall);
  state->rates[0] = s.learns_analysis ? rate : 0.0f;
  state->rates[1] = s.learns_synthesis ? rate : 0.0f;
  state->rates[2] = s.learns_density ? static_cast<float>(s.learning_rate * fall * s.density_factor) : 0.0f;
  state->rates[3] = static_cast<float>(s.auxiliary_rate);
  state->correction1 = static_cast<float>(1.0 - pow(0.9, static_cast<double>(step)));
  state->correction2 = static_cast<float>(1.0 - pow(0.999, static_cast<double>(step)));
}

__global__ void draw_kernel(const float* source, int64_t source_rows, int length, int latents, uint64_t seed,
                            const StepState* state, int64_t rows, float* x, float* noise) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const uint64_t key = mix(seed * 0x9E3779B97F4A7C15ull + static_cast<uint64_t>(state->step));
  if (i < rows * length) {
    const int64_t row = i / length;
    const uint64_t bits = mix(key ^ mix(2 * static_cast<uint64_t>(row) + 1));
    x[i] = source[static_cast<int64_t>(__umul64hi(bits, static_cast<uint64_t>(source_rows))) * length + i % length];
  }
  if (i < rows * latents) {
    const uint64_t bits = mix(key + mix(2 * static_cast<uint64_t>(i)));
    noise[i] = static_cast<float>(bits >> 40) * 0x1p-24f - 0.5f;
  }
}

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

// A lane's share of a row: kRuns runs of kVector neighbouring columns, a warp's runs side by side. With kVector 1 the
// width need not fill them.
template <int kVector, int kRuns>
struct LaneColumns {
  static constexpr int kCount = kVector * kRuns;
  static __device__ int column(int run) { return (run * kWarp + static_cast<int>(threadIdx.x) % kWarp) * kVector; }

  static __device__ void load(const float* row, int width, float (&out)[kCount]) {
#pragma unroll
    for (int r = 0; r < kRuns; ++r) {
      const int c = column(r);
      if constexpr (kVector == 8) {
        const float4 a = *reinterpret_cast<const float4*>(row + c), b = *reinterpret_cast<const float4*>(row + c + 4);
        out[r * 8 + 0] = a.x, out[r * 8 + 1] = a.y, out[r * 8 + 2] = a.z, out[r * 8 + 3] = a.w;
        out[r * 8 + 4] = b.x, out[r * 8 + 5] = b.y, out[r * 8 + 6] = b.z, out[r * 8 + 7] = b.w;
      } else {
        out[r] = c < width ? row[c] : 0.0f;
      }
    }
  }

  static __device__ void load(const bf16* row, int width, float (&out)[kCount]) {
#pragma unroll
    for (int r = 0; r < kRuns; ++r) {
      const int c = column(r);
      if constexpr (kVector == 8) {
        const uint4 words = *reinterpret_cast<const uint4*>(row + c);
        const unsigned w[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          out[r * 8 + 2 * k] = __uint_as_float(w[k] << 16);
          out[r * 8 + 2 * k + 1] = __uint_as_float(w[k] & 0xFFFF0000u);
        }
      } else {
        out[r] = c < width ? to_float(row[c]) : 0.0f;
      }
    }
  }

  static __device__ void store(float* row, int width, const float (&in)[kCount]) {
#pragma unroll
    for (int r = 0; r < kRuns; ++r) {
      const int c = column(r);
      if constexpr (kVector == 8) {
        *reinterpret_cast<float4*>(row + c) = make_float4(in[r * 8], in[r * 8 + 1], in[r * 8 + 2], in[r * 8 + 3]);
        *reinterpret_cast<float4*>(row + c + 4) =
            make_float4(in[r * 8 + 4], in[r * 8 + 5], in[r * 8 + 6], in[r * 8 + 7]);
      } else if (c < width) {
        row[c] = in[r];
      }
    }
  }

  static __device__ void store(bf16* row, int width, const float (&in)[kCount]) {
#pragma unroll
    for (int r = 0; r < kRuns; ++r) {
      const int c = column(r);
      if constexpr (kVector == 8) {
        unsigned w[4];
#pragma unroll
        for (int k = 0; k < 4; ++k)
          w[k] = to_low(in[r * 8 + 2 * k]) | static_cast<unsigned>(to_low(in[r * 8 + 2 * k + 1])) << 16;
        *reinterpret_cast<uint4*>(row + c) = make_uint4(w[0], w[1], w[2], w[3]);
      } else if (c < width) {
        row[c] = to_low(in[r]);
      }
    }
  }

  // Columns outside the width hold zero.
  static __device__ bool inside(int i, int width) { return kVector == 8 || column(i / kVector) < width; }
};

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

// Threads: 32 columns by 16 parts.
constexpr int kPartRows = 16;
__global__ void sum_parts_kernel(const float* in, int64_t parts, int64_t count, float* out) {
  __shared__ float sums[kPartRows][kWarp];
  const int64_t i = blockIdx.x * static_cast<int64_t>(kWarp) + threadIdx.x;
  in += blockIdx.y * parts * count;
  float sum = 0;
  if (i < count) {
#pragma unroll 4
    for (int64_t p = threadIdx.y; p < parts; p += kPartRows) sum += in[p * count + i];
  }
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || i >= count) return;
  for (int p = 1; p < kPartRows; ++p) sum += sums[p][threadIdx.x];
  out[blockIdx.y * count + i] = sum;
}

// A block sums a slab of rows; threads beyond the width take further rows.
template <typename Value>
__device__ void slab_sums(int64_t begin, int64_t end, int width, float* out, const Value& value) {
  __shared__ float sums[kThreads];
  if (width >= kThreads) {
    for (int c = threadIdx.x; c < width; c += kThreads) {
      float sum = 0;
#pragma unroll 8
      for (int64_t row = begin; row < end; ++row) sum += value(row, c);
      out[c] = sum;
    }
    return;
  }
  const int side = kThreads / width, c = threadIdx.x % width, first = threadIdx.x / width;
  float sum = 0;
  if (first < side) {
    for (int64_t row = begin + first; row < end; row += side) sum += value(row, c);
  }
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (first != 0) return;
  for (int s = 1; s < side; ++s) sum += sums[s * width + c];
  out[c] = sum;
}

__global__ void column_sums_kernel(const bf16* in, int64_t rows, int width, float* out) {
  const int64_t parts = gridDim.x, part = blockIdx.x;
  slab_sums(part * rows / parts, (part + 1) * rows / parts, width, out + part * width,
            [&](int64_t row, int c) { return to_float(in[row * width + c]); });
}

__global__ void product_sums_kernel(const bf16* a, const float* b, int64_t per_level, int width, float* out) {
  const int64_t parts = gridDim.x, part = blockIdx.x, level = blockIdx.y, base = level * per_level;
  slab_sums(base + part * per_level / parts, base + (part + 1) * per_level / parts, width,
            out + (level * parts + part) * width,
            [&](int64_t row, int c) { return to_float(a[row * width + c]) * b[row * width + c]; });
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

constexpr int kHidden = 3, kHiddenLayers = kDensityLayers - 1;
// Where a channel's parameters stand among its 58: matrices, biases, factors.
__device__ constexpr int matrix_at(int layer) { return layer == 0 ? 0 : kHidden + (layer - 1) * kHidden * kHidden; }
constexpr int kBiases = kHidden + 3 * kHidden * kHidden + kHidden;
__device__ constexpr int bias_at(int layer) { return kBiases + layer * kHidden; }
constexpr int kFactors = kBiases + kHiddenLayers * kHidden + 1;
__device__ constexpr int factor_at(int layer) { return kFactors + layer * kHidden; }
static_assert(kFactors + kHiddenLayers * kHidden == kDensityParameters);

__device__ float softplus(float x) { return x > 20.0f ? x : log1pf(expf(x)); }
__device__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// The flat buffer's index of parameter k of a channel.
__device__ int64_t parameter_index(const DensityLayout& layout, int channel, int k) {
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
__device__ void load_density(const float* parameters, const DensityLayout& layout, int channel, float* used) {
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

__device__ float cumulative_logit(const float* used, float v, DensityTrace& trace) {
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
__device__ float cumulative_backward(const float* used, float v, const DensityTrace& trace, float g, float* sums) {
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

__global__ void add_loss_kernel(const double* parts, int64_t count, StepState* state) {
  __shared__ double scratch[kThreads / kWarp];
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += blockDim.x) sum += parts[i];
  sum = block_sum(sum, scratch);
  if (threadIdx.x == 0) state->loss_sum += sum;
}

__global__ void adam_kernel(float* parameters, const float* gradients, float* first, float* second, GroupEnds groups,
                            const StepState* state) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= groups.ends[kGroups - 1]) return;
  int group = 0;
  while (i >= groups.ends[group]) ++group;
  const float g = gradients[i];
  const float m = first[i] = 0.9f * first[i] + 0.1f * g;
  const float v = second[i] = 0.999f * second[i] + 0.001f * g * g;
  parameters[i] -= state->rates[group] / state->correction1 * m / (sqrtf(v) / sqrtf(state->correction2) + 1e-8f);
}

__global__ void to_bf16_kernel(const float* in, int64_t count, bf16* out) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) out[i] = to_low(in[i]);
}

}  // namespace

void begin_step(StepState* state, Schedule schedule, cudaStream_t stream) {
  begin_step_kernel<<<1, 1, 0, stream>>>(state, schedule);
}

void draw(const float* source, int64_t source_rows, int length, int latents, uint64_t seed, const StepState* state,
          int64_t rows, float* x, float* noise, cudaStream_t stream) {
  const int64_t count = rows * (length > latents ? length : latents);
  draw_kernel<<<blocks_for(count), kThreads, 0, stream>>>(source, source_rows, length, latents, seed, state, rows, x,
                                                          noise);
}

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

void sum_parts(const float* in, int sets, int64_t parts, int64_t count, float* out, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>((count + kWarp - 1) / kWarp), static_cast<unsigned>(sets));
  sum_parts_kernel<<<grid, dim3(kWarp, kPartRows), 0, stream>>>(in, parts, count, out);
}

void column_sums(const bf16* in, int64_t rows, int width, int64_t parts, float* out, cudaStream_t stream) {
  column_sums_kernel<<<static_cast<int>(parts), kThreads, 0, stream>>>(in, rows, width, out);
}

void product_sums(const bf16* a, const float* b, Batch batch, int width, int64_t parts, float* out,
                  cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(parts), static_cast<unsigned>(batch.levels));
  product_sums_kernel<<<grid, kThreads, 0, stream>>>(a, b, batch.per_level, width, out);
}

void squared_error(const float* output, const float* bias, const float* x, int64_t rows, int width, double weight,
                   bf16* gradient, int64_t parts, double* loss_parts, cudaStream_t stream) {
  squared_error_kernel<<<static_cast<int>(parts), kThreads, 0, stream>>>(output, bias, x, rows * width, width, weight,
                                                                         gradient, loss_parts);
}

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

void add_loss(const double* parts, int64_t count, StepState* state, cudaStream_t stream) {
  add_loss_kernel<<<1, kThreads, 0, stream>>>(parts, count, state);
}

void adam(float* parameters, const float* gradients, float* first, float* second, GroupEnds groups,
          const StepState* state, cudaStream_t stream) {
  adam_kernel<<<blocks_for(groups.ends[kGroups - 1]), kThreads, 0, stream>>>(parameters, gradients, first, second,
                                                                             groups, state);
}

void to_bf16(const float* in, int64_t count, bf16* out, cudaStream_t stream) {
  to_bf16_kernel<<<blocks_for(count), kThreads, 0, stream>>>(in, count, out);
}

}  // namespace nwc::fused
