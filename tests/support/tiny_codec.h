// Codecs small enough to reason about, made by hand, and weights to compress with them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/half.h"
#include "codec/encode/encoder_codec.h"
#include "weights/weight_matrix.h"

namespace nwc::testing {

// Shares of a Gaussian of this standard deviation, for the integers within 4.5 of them, and an escape.
inline FrequencyTable gaussian_table(double sigma) {
  const int32_t reach = std::min(120, static_cast<int32_t>(std::ceil(4.5 * sigma)));
  const auto cdf = [&](double x) { return 0.5 * std::erfc(-x / sigma / std::sqrt(2.0)); };
  FrequencyTable table{-reach, 0, {}};
  uint32_t total = 0;
  const double shares = kFrequencyTotal - 2.0 * reach - 2;  // what remains when everybody has one
  for (int32_t v = -reach; v <= reach; ++v) {
    table.frequencies.push_back(static_cast<uint16_t>(1 + std::floor(shares * (cdf(v + 0.5) - cdf(v - 0.5)))));
    total += table.frequencies.back();
  }
  table.frequencies.push_back(1);
  table.frequencies[static_cast<size_t>(reach)] =
      static_cast<uint16_t>(table.frequencies[static_cast<size_t>(reach)] + kFrequencyTotal - total - 1);
  return table;
}

// The identity times gain[level].
inline TransformWeights scaled_identity(size_t n, const std::vector<float>& gain) {
  TransformWeights w{.inputs = n, .outputs = n, .width = n, .depth = 0, .levels = gain.size()};
  for (const float g : gain) w.embedding.insert(w.embedding.end(), n, g);
  w.out_weight.assign(n * n, 0.0f);
  for (size_t i = 0; i < n; ++i) w.out_weight[i * n + i] = 1.0f;
  w.out_bias.assign(n, 0.0f);
  return w;
}

// One logistic density for all levels, nobody's in particular: the encoder does not read it.
inline DensityWeights logistic_density(uint64_t latents) {
  return {1, latents, {{1, 1, std::vector<float>(latents, 0.5f), std::vector<float>(latents, 0.0f), {}}}};
}

inline constexpr float kLinearSteps[] = {0.5f, 0.25f, 0.125f, 0.0625f};

// A uniform quantiser with the step kLinearSteps[level], four levels, `length` weights per chunk, tables for Gaussian
// weights.
inline EncoderCodec linear_codec(size_t length = 16) {
  EncoderCodec codec;
  std::vector<float> down, up;
  for (const float step : kLinearSteps) {
    down.push_back(1 / step);
    up.push_back(step);
    codec.nmse.push_back(step * step / 12);
    for (size_t c = 0; c < length; ++c) codec.decoder.tables.set.push_back(gaussian_table(1 / step));
  }
  codec.analysis = scaled_identity(length, down);
  codec.decoder.synthesis = scaled_identity(length, up);
  codec.decoder.tables.levels = 4;
  codec.decoder.tables.channels = static_cast<unsigned>(length);
  codec.decoder.tables.centers.assign(4 * length, 0.0f);
  codec.density = logistic_density(length);
  return codec;
}

// A trellis of eight states (Ungerboeck's), chunks of eight, 16 classes, some tables with raw bits.
inline DecoderCodec tiny_trellis_codec() {
  DecoderCodec codec;
  codec.synthesis = identity_transform(4, 8);
  codec.tables.levels = 4;
  codec.tables.channels = 8;
  codec.tables.centers.assign(32, 0.0f);
  for (unsigned t = 0; t < 32; ++t) {
    const uint32_t shift = t % 16 < 12 ? 0 : t % 16 - 11;
    codec.tables.set.push_back({-(2 << shift), shift, {500, 1500, 1500, 500, 96}});
  }
  codec.trellis = Trellis{.states = 8};
  constexpr uint8_t kNext[8][2] = {{0, 2}, {5, 7}, {1, 3}, {4, 6}, {2, 0}, {7, 5}, {3, 1}, {6, 4}};
  for (unsigned s = 0; s < 8; ++s) codec.trellis->next[s] = {kNext[s][0], kNext[s][1]};
  return codec;
}

inline std::vector<float> random_values(size_t n, double deviation, std::mt19937& random) {
  std::normal_distribution<double> gaussian(0.0, deviation);
  std::vector<float> values(n);
  for (float& v : values) v = static_cast<float>(gaussian(random));
  return values;
}

// Any network: weights drawn at random, exact in binary16 (as a codec file stores them).
inline TransformWeights random_transform(size_t inputs, size_t outputs, size_t width, size_t depth, size_t levels,
                                         size_t sets, std::mt19937& random) {
  const auto draw = [&](size_t n, double deviation, double mean = 0) {
    std::vector<float> values = random_values(n, deviation, random);
    for (float& v : values) v = float_from_half(half_from_float(static_cast<float>(v + mean)));
    return values;
  };
  if (depth == 0) width = inputs;
  TransformWeights w{
      .inputs = inputs, .outputs = outputs, .width = width, .depth = depth, .levels = levels, .embedding_sets = sets};
  const double to_width = 1 / std::sqrt(static_cast<double>(width));
  if (depth > 0) {
    w.in_weight = draw(width * inputs, 1 / std::sqrt(static_cast<double>(inputs)));
    w.in_bias = draw(width, 0.1);
  }
  for (size_t b = 0; b < depth; ++b)
    w.blocks.push_back({draw(width * width, to_width), draw(width, 0.1), draw(width, 0.3, 1), draw(width, 0.1)});
  w.embedding = draw(sets * levels * width, 0.2, 1);
  w.out_weight = draw(outputs * width, to_width);
  w.out_bias = draw(outputs, 0.1);
  return w;
}

// Random networks of one residual block, 16 weights to 5 latents, 2 levels: a bad codec, but nothing about it is
// simple. Its tables have shifts and centers, and fit no tensor.
inline EncoderCodec residual_codec() {
  std::mt19937 random(7);
  EncoderCodec codec;
  codec.analysis = random_transform(16, 5, 24, 1, 2, 1, random);
  codec.decoder.synthesis = random_transform(5, 16, 9, 1, 2, 1, random);
  codec.decoder.tables.levels = 2;
  codec.decoder.tables.channels = 5;
  for (unsigned i = 0; i < 10; ++i) {
    FrequencyTable table = gaussian_table(2.0 + i);
    table.shift = i % 3;
    table.minimum *= 1 << table.shift;
    codec.decoder.tables.set.push_back(table);
    codec.decoder.tables.centers.push_back(0.125f * static_cast<float>(i) - 0.5f);
  }
  codec.density = logistic_density(5);
  codec.nmse = {1.0f, 1.0f};
  return codec;
}

// A tensor in memory that can be compressed.
class OwnedMatrix {
 public:
  // `values` in storage order. `shape` is the tensor's, so [.., columns, rows] if transposed.
  OwnedMatrix(std::string name, DType dtype, std::vector<uint64_t> shape, const std::vector<float>& values,
              bool transposed = false)
      : transposed_(transposed) {
    for (const float v : values) {
      if (dtype == DType::kF32) append_le(bytes_, v);
      if (dtype == DType::kF16) append_le(bytes_, half_from_float(v));
      if (dtype == DType::kBF16) append_le(bytes_, bf16_from_float(v));
    }
    view_ = {std::move(name), dtype, std::move(shape), bytes_, 0};
  }
  OwnedMatrix(const OwnedMatrix&) = delete;
  OwnedMatrix& operator=(const OwnedMatrix&) = delete;

  WeightMatrix matrix() const { return WeightMatrix::of(view_, transposed_, view_.bytes); }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  bool transposed_;
  std::vector<std::byte> bytes_;
  TensorView view_;
};

// Numbers of a weight dtype as binary32.
inline std::vector<float> floats_of(DType dtype, std::span<const std::byte> bytes) {
  const size_t size = dtype == DType::kF32 ? 4 : 2;
  std::vector<float> values(bytes.size() / size);
  for (size_t i = 0; i < values.size(); ++i) {
    const std::byte* at = bytes.data() + i * size;
    values[i] = dtype == DType::kF32   ? load_le<float>(at)
                : dtype == DType::kF16 ? float_from_half(load_le<uint16_t>(at))
                                       : float_from_bf16(load_le<uint16_t>(at));
  }
  return values;
}

}  // namespace nwc::testing
