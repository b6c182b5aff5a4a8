// The reference body: docs/format.md, section 3, chunk by chunk.
#include <cmath>

#include "transform/residual_mlp.h"

namespace nwc {
namespace {

constexpr size_t kB = kMlpBlock;

// Rows of `in` and `out` are `in_stride` and `out_stride` apart; one chunk, column `i` of both.
void linear(const LinearView& layer, const float* in, size_t in_stride, float* out, size_t out_stride) {
  for (size_t j = 0; j < layer.outputs; ++j) {
    const float* weights = layer.packed + (j / kMlpPanel) * kMlpPanel * layer.inputs + j % kMlpPanel;
    float acc = layer.bias[j];
    for (size_t k = 0; k < layer.inputs; ++k) acc = std::fma(weights[k * kMlpPanel], in[k * in_stride], acc);
    out[j * out_stride] = acc;
  }
}

void residual_block(const MlpBlockView& block, const float* embedding, size_t width, float* h, float* u) {
  linear(block.linear, h, kB, u, kB);
  float sum = 0;
  for (size_t j = 0; j < width; ++j) sum += u[j * kB];
  const float mean = sum / static_cast<float>(width);
  float squares = 0;
  for (size_t j = 0; j < width; ++j) {
    const float d = u[j * kB] - mean;
    squares = std::fma(d, d, squares);
  }
  const float r = 1.0f / std::sqrt(squares / static_cast<float>(width) + 1e-5f);
  for (size_t j = 0; j < width; ++j) {
    const float t = std::fma((u[j * kB] - mean) * r, block.gain[j], block.offset[j]);
    h[j * kB] = (h[j * kB] + (t > 0.0f ? t : 0.0f)) * embedding[j];
  }
}

}  // namespace

void residual_mlp_scalar(const MlpView& mlp, size_t level, const float* x, float* y, size_t stride, float* scratch) {
  float* const hidden = scratch;
  float* const update = scratch + mlp_scratch_floats(mlp) / 2;
  for (size_t i = 0; i < kB; ++i) {
    if (mlp.depth == 0) {
      const float* embedding = mlp.embedding(0, level);
      for (size_t k = 0; k < mlp.inputs; ++k) hidden[k * kB + i] = x[k * stride + i] * embedding[k];
    } else {
      linear(mlp.in, x + i, stride, hidden + i, kB);
      for (size_t b = 0; b < mlp.depth; ++b)
        residual_block(mlp.blocks[b], mlp.embedding(b, level), mlp.width, hidden + i, update + i);
    }
    linear(mlp.out, hidden + i, kB, y + i, stride);
  }
}

}  // namespace nwc
