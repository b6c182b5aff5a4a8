// A step's state, its random batch, and its loss.
#include "cuda/train/common.cuh"

namespace nwc::fused {
namespace {

// splitmix64's finaliser: a counter becomes random bits.
__device__ uint64_t mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9ull;
  x ^= x >> 27;
  x *= 0x94D049BB133111EBull;
  return x ^ (x >> 31);
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

__global__ void add_loss_kernel(const double* parts, int64_t count, StepState* state) {
  __shared__ double scratch[kThreads / kWarp];
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += blockDim.x) sum += parts[i];
  sum = block_sum(sum, scratch);
  if (threadIdx.x == 0) state->loss_sum += sum;
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

void add_loss(const double* parts, int64_t count, StepState* state, cudaStream_t stream) {
  add_loss_kernel<<<1, kThreads, 0, stream>>>(parts, count, state);
}

}  // namespace nwc::fused
