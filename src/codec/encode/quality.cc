#include "codec/encode/quality.h"

#include <cmath>

#include "base/half.h"

namespace nwc {
namespace {

void round_to_half(std::vector<float>& values) {
  for (float& v : values) v = float_from_half(half_from_float(v));
}

}  // namespace

TransformWeights rounded_to_half(TransformWeights w) {
  for (std::vector<float>* values : {&w.in_weight, &w.in_bias, &w.embedding, &w.out_weight, &w.out_bias})
    round_to_half(*values);
  for (TransformWeights::Block& block : w.blocks) {
    for (std::vector<float>* values : {&block.weight, &block.bias, &block.gain, &block.offset}) round_to_half(*values);
  }
  return w;
}

double measure_nmse(const EncoderCodec& codec, unsigned level, std::span<const float> chunks) {
  const Transform analysis(codec.analysis), synthesis(codec.decoder.synthesis);
  const size_t length = analysis.inputs(), latents = analysis.outputs(), count = chunks.size() / length;
  const size_t stride = Transform::padded(count);
  AlignedVector<float> x(length * stride, 0.0f), z(analysis.output_rows() * stride),
      y(synthesis.output_rows() * stride), scratch;
  for (size_t i = 0; i < count; ++i) {
    for (size_t j = 0; j < length; ++j) x[j * stride + i] = chunks[i * length + j];
  }
  analysis.apply(level, count, x.data(), z.data(), stride, current_isa(), scratch);
  for (size_t c = 0; c < latents; ++c) {
    const float center = codec.decoder.tables.centers[level * latents + c];
    for (size_t i = 0; i < stride; ++i) z[c * stride + i] = std::nearbyint(z[c * stride + i] - center) + center;
  }
  synthesis.apply(level, count, z.data(), y.data(), stride, current_isa(), scratch);
  double sum = 0;
  for (size_t j = 0; j < length; ++j) {
    for (size_t i = 0; i < count; ++i) {
      const double d = static_cast<double>(y[j * stride + i]) - x[j * stride + i];
      sum += d * d;
    }
  }
  return sum / static_cast<double>(chunks.size());
}

}  // namespace nwc
