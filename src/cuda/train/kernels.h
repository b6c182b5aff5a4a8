// CUDA kernels of one training step. They compute and neither allocate nor validate; cuda/train/fused_step.cc owns
// memory and order. All pointers are device memory, all matrices row-major, `bf16` is nv_bfloat16 held as its 16 bits.
// Every launch is asynchronous on `stream`; launch errors are left to the caller's cudaGetLastError. Sums run in a
// fixed order, so a step has one result.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace nwc::fused {

using bf16 = uint16_t;

// A batch holds `levels` runs of `per_level` chunks, one after another.
struct Batch {
  int levels;
  int64_t per_level;
};

constexpr int kGroups = 4;  // of parameters, by learning rate: analysis, synthesis, density, quantiles

// Where training stands; in device memory, so that a captured step can be replayed.
struct StepState {
  int64_t step;  // steps begun
  float rates[kGroups];
  float correction1, correction2;  // 1 - beta^step of Adam's moments
  double loss_sum;                 // of the steps since it was last set to zero
};

struct Schedule {
  double learning_rate, auxiliary_rate, density_factor;
  double total_steps;
  bool cosine;  // else constant
  bool learns_analysis, learns_synthesis, learns_density;
};

// Advances the state by a step and sets its rates.
void begin_step(StepState* state, Schedule schedule, cudaStream_t stream);

// Fills x [rows, length] with randomly picked rows of source [source_rows, length], and noise [rows, latents] with
// numbers uniform in [-1/2, 1/2). Both depend on the seed and state->step alone.
void draw(const float* source, int64_t source_rows, int length, int latents, uint64_t seed, const StepState* state,
          int64_t rows, float* x, float* noise, cudaStream_t stream);

// h += bias, and its bf16 copy. h: [rows, width].
void add_bias(float* h, const float* bias, int64_t rows, int width, bf16* low, cudaStream_t stream);
// noisy = latents + bias + noise, and its bf16 copy. [rows, width].
void add_bias_and_noise(const float* latents, const float* bias, const float* noise, int64_t rows, int width,
                        float* noisy, bf16* low, cudaStream_t stream);
// out = x * scale[level], and its bf16 copy. x: [rows, width], scale: [levels, width].
void scale_by_level(const float* x, const float* scale, Batch batch, int width, float* out, bf16* low,
                    cudaStream_t stream);
// sum = a + b as bf16.
void add_to_bf16(const float* a, const float* b, int64_t count, bf16* sum, cudaStream_t stream);

// Whether the kernels for residual blocks have a body for this width: up to 256, and multiples of 256 up to 1,024.
bool supports_width(int64_t width);

struct BlockParameters {
  const float *bias, *gain, *offset;  // [width]
  const float* embedding;             // [levels, width]
};

// out = (h + ReLU(LayerNorm(y + bias))) * embedding[level]; y: [rows, width] bf16, h and out: [rows, width]. Also out
// as bf16, and the mean and reciprocal deviation of each row of y + bias, which the way back needs.
void residual_forward(const bf16* y, const float* h, BlockParameters parameters, Batch batch, int width, float* out,
                      bf16* out_low, float* mean, float* deviation, cudaStream_t stream);

// How many rows of partial sums residual_backward writes in all; a multiple of the number of levels.
int64_t residual_parts(int levels, int multiprocessors);
// From the gradient of out (`gradient`, replaced by that of h through the sum alone) to that of y. Partial sums:
// shared_parts [parts][3 width] for bias, gain and offset; embedding_parts [levels][parts / levels][width].
void residual_backward(const bf16* y, const float* h, const float* mean, const float* deviation,
                       BlockParameters parameters, Batch batch, int width, bf16* gradient, bf16* y_gradient,
                       int64_t parts, float* shared_parts, float* embedding_parts, cudaStream_t stream);

// out[set][i] = sum over part of in[set][part][i].
void sum_parts(const float* in, int sets, int64_t parts, int64_t count, float* out, cudaStream_t stream);

// Partial sums over rows of [rows, width] into [parts][width].
void column_sums(const bf16* in, int64_t rows, int width, int64_t parts, float* out, cudaStream_t stream);
// The same of a[r][c] * b[r][c], within levels: [levels][parts][width].
void product_sums(const bf16* a, const float* b, Batch batch, int width, int64_t parts, float* out,
                  cudaStream_t stream);

// gradient = 2 weight (output + bias - x) as bf16, and parts of weight * the squared error. [rows, width].
void squared_error(const float* output, const float* bias, const float* x, int64_t rows, int width, double weight,
                   bf16* gradient, int64_t parts, double* loss_parts, cudaStream_t stream);

constexpr int kDensityLayers = 5, kDensityParameters = 58;
// Offsets of each layer's parameters in the flat buffer; a channel of a set is one row there.
struct DensityLayout {
  int64_t matrix[kDensityLayers], bias[kDensityLayers], factor[kDensityLayers - 1];
};
// The rate of noisy latents [rows, latents] under the factorised density, weighted by weight / coefficient[level]:
// parts of the loss, its gradient in noisy, and parts of the gradient in softplus(matrix), bias and tanh(factor). sets:
// levels, or 1 for all. density_parts: [splits][sets * latents][58]; loss_parts: [splits * sets * latents].
void density_rate(const float* parameters, DensityLayout layout, int sets, int latents, const float* noisy,
                  const float* coefficients, double weight, Batch batch, int splits, float* noisy_gradient,
                  float* density_parts, double* loss_parts, cudaStream_t stream);
// Sums those parts into the gradients of the raw parameters.
void density_gradients(const float* parameters, DensityLayout layout, int channels, const float* density_parts,
                       int splits, float* gradients, cudaStream_t stream);
// Gradient of the auxiliary loss in the quantiles [channels, 3], which are at `quantiles` in both buffers.
void quantile_gradients(const float* parameters, DensityLayout layout, int64_t quantiles, int channels, float target,
                        float* gradients, cudaStream_t stream);

// state->loss_sum += sum of the parts.
void add_loss(const double* parts, int64_t count, StepState* state, cudaStream_t stream);

// Adam (beta 0.9, 0.999, epsilon 1e-8) on all parameters; group g ends before ends[g].
struct GroupEnds {
  int64_t ends[kGroups];
};
void adam(float* parameters, const float* gradients, float* first, float* second, GroupEnds groups,
          const StepState* state, cudaStream_t stream);
void to_bf16(const float* in, int64_t count, bf16* out, cudaStream_t stream);

}  // namespace nwc::fused
