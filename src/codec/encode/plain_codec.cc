#include "codec/encode/plain_codec.h"

#include <algorithm>
#include <cmath>

#include "entropy/encode/table_fit.h"

namespace nwc {
namespace {

constexpr size_t kChunk = 16;
constexpr double kSymbols = 1 << 20;  // that a table's frequencies stand for

TransformWeights identity(unsigned levels) {
  TransformWeights weights{.inputs = kChunk, .outputs = kChunk, .width = kChunk, .depth = 0, .levels = levels};
  weights.embedding.assign(levels * kChunk, 1.0f);
  weights.out_weight.assign(kChunk * kChunk, 0.0f);
  for (size_t i = 0; i < kChunk; ++i) weights.out_weight[i * kChunk + i] = 1.0f;
  weights.out_bias.assign(kChunk, 0.0f);
  return weights;
}

// Integers that Gaussian numbers of this spread are rounded to.
FrequencyTable gaussian_table(double spread) {
  Histogram histogram;
  const auto reach = static_cast<int32_t>(std::ceil(6 * spread)) + 1;
  for (int32_t v = -reach; v <= reach; ++v) {
    const double below = std::erf((v - 0.5) / (spread * std::sqrt(2.0))),
                 above = std::erf((v + 0.5) / (spread * std::sqrt(2.0)));
    const auto count = static_cast<uint64_t>(kSymbols * (above - below) / 2);
    if (count > 0 || v == 0) histogram.emplace_back(v, std::max<uint64_t>(1, count));
  }
  return fit_table(histogram);
}

}  // namespace

EncoderCodec plain_codec(int centre, double octaves) {
  constexpr unsigned levels = 8;
  EncoderCodec codec;
  codec.decoder.synthesis = codec.analysis = identity(levels);
  CodecTables& tables = codec.decoder.tables;
  tables.levels = levels;
  tables.channels = kChunk;
  tables.centers.assign(levels * kChunk, 0.0f);
  for (unsigned t = 0; t < levels * kChunk; ++t) {
    const double spread = octaves + (static_cast<int>(t) - centre) / 4.0;
    tables.set.push_back(gaussian_table(std::exp2(std::clamp(spread, -6.0, 9.0))));
  }
  codec.nmse.assign(levels, 1.0f / 12);
  return codec;
}

bool is_plain(const DecoderCodec& codec) {
  const TransformWeights& s = codec.synthesis;
  if (s.depth != 0 || s.outputs != codec.latents() || s.width != s.outputs) return false;
  const auto all = [](const std::vector<float>& values, float wanted) {
    return std::all_of(values.begin(), values.end(), [&](float v) { return v == wanted; });
  };
  if (!all(s.embedding, 1) || !all(s.out_bias, 0) || !all(codec.tables.centers, 0)) return false;
  for (size_t i = 0; i < s.out_weight.size(); ++i) {
    if (s.out_weight[i] != (i / s.width == i % s.width ? 1.0f : 0.0f)) return false;
  }
  return true;
}

}  // namespace nwc
