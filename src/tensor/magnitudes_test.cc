// What becomes of single weights: dtypes, zeros, constants, outliers, the smallest and the largest.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "support/encoded_tensors.h"
#include "weights/normalisation.h"

namespace nwc {
namespace {

using testing::decode;
using testing::decoded_floats;
using testing::encode;
using testing::floats_of;
using testing::linear_encoder;
using testing::open;
using testing::OwnedMatrix;
using testing::random_values;
using testing::residual_encoder;

TEST(EncodeTensor, EveryDtype) {
  std::mt19937 random(3);
  const std::vector<float> values = random_values(40 * 50, 0.05, random);
  for (const DType from : {DType::kF32, DType::kF16, DType::kBF16}) {
    const OwnedMatrix m("w", from, {40, 50}, values);
    const EncodedTensor encoded = encode(m, linear_encoder());
    const TensorDecoder decoder = open(m, encoded, linear_encoder());
    EXPECT_EQ(decoder.header().dtype, from);
    const std::vector<float> exact = floats_of(DType::kF32, decode(decoder, DType::kF32));
    const std::vector<float> half = floats_of(DType::kF16, decode(decoder, DType::kF16)),
                             bf = floats_of(DType::kBF16, decode(decoder, DType::kBF16));
    for (size_t i = 0; i < exact.size(); ++i) {
      EXPECT_LE(std::abs(half[i] - exact[i]), std::abs(exact[i]) * 0x1p-11 + 0x1p-25) << "nearest";
      EXPECT_LE(std::abs(bf[i] - exact[i]), std::abs(exact[i]) * 0x1p-8) << "nearest";
    }
  }
}

TEST(EncodeTensor, RoundsToNearestEvenAndSaturates) {
  // One column whose scale is exactly 2^127, weights +-3.4e38 decode to +-2^128 = infinity before saturation.
  const float huge = std::numeric_limits<float>::max();
  const OwnedMatrix m("w", DType::kF32, {4, 1}, {huge, -huge, huge, -huge});
  const EncodedTensor encoded = encode(m, linear_encoder());
  const TensorDecoder decoder = open(m, encoded, linear_encoder());
  for (const float v : floats_of(DType::kF32, decode(decoder, DType::kF32))) EXPECT_GT(std::abs(v), 3.39e38f);
  const std::vector<float> half = floats_of(DType::kF16, decode(decoder, DType::kF16));
  EXPECT_EQ(half, (std::vector<float>{65504, -65504, 65504, -65504}));
  for (const float v : floats_of(DType::kBF16, decode(decoder, DType::kBF16))) EXPECT_TRUE(std::isfinite(v));
}

TEST(EncodeTensor, ZeroColumnsAreExactZeros) {
  std::mt19937 random(4);
  for (const Encoder* encoder : {&linear_encoder(), &residual_encoder()}) {
    std::vector<float> values = random_values(48 * 20, 1, random);
    for (size_t r = 0; r < 48; ++r) values[r * 20 + 7] = values[r * 20 + 19] = r % 2 == 0 ? 0.0f : -0.0f;
    const OwnedMatrix m("w", DType::kF32, {48, 20}, values);
    const std::vector<float> decoded = decoded_floats(m, encode(m, *encoder), *encoder);
    for (size_t r = 0; r < 48; ++r) {
      EXPECT_EQ(decoded[r * 20 + 7], 0.0f);
      EXPECT_EQ(decoded[r * 20 + 19], 0.0f);
    }
    const OwnedMatrix zeros("w", DType::kF32, {33, 5}, std::vector<float>(165, 0.0f));
    for (const float v : decoded_floats(zeros, encode(zeros, *encoder), *encoder)) EXPECT_EQ(v, 0.0f);
  }
}

TEST(EncodeTensor, ConstantColumnsAreNearlyExact) {
  // Normalised they are all 1 (up to the scale's rounding), and 1 is a multiple of every step.
  const OwnedMatrix m("w", DType::kF32, {20, 3}, [] {
    std::vector<float> values;
    for (int r = 0; r < 20; ++r) values.insert(values.end(), {0.3f, -5e-4f, 1e4f});
    return values;
  }());
  const std::vector<float> decoded = decoded_floats(m, encode(m, linear_encoder()), linear_encoder());
  for (size_t i = 0; i < decoded.size(); ++i) EXPECT_NEAR(decoded[i] / m.matrix().at(i), 1.0f, 1e-3f);
}

// The stated bound: what the quantiser misses by at most eight steps, or a patch's rounding to binary16, times the
// scale.
void expect_survival(const std::vector<float>& values, const std::vector<uint64_t>& shape, const Encoder& encoder) {
  const OwnedMatrix m("w", DType::kF32, shape, values);
  const EncodedTensor encoded = encode(m, encoder);
  const std::vector<float> decoded = decoded_floats(m, encoded, encoder);
  const WeightScales scales = *weight_scales(m.matrix(), {.gain = 1.0}, {}, 1);
  const double threshold = encoder.patch_threshold(0);
  for (uint64_t r = 0; r < shape[0]; ++r) {
    for (uint64_t c = 0; c < shape[1]; ++c) {
      const size_t i = r * shape[1] + c;
      EXPECT_LE(std::abs(static_cast<double>(decoded[i]) - values[i]),
                1.0001 * threshold * scales.columns[c] + std::abs(static_cast<double>(values[i])) * 0x1p-11)
          << i << ": " << values[i] << " became " << decoded[i];
    }
  }
}

TEST(EncodeTensor, OutliersSurvive) {
  std::mt19937 random(5);
  for (const Encoder* encoder : {&linear_encoder(), &residual_encoder()}) {
    std::vector<float> values = random_values(4000 * 3, 1, random);
    values[5 * 3 + 1] = 1e4f;
    values[3999 * 3 + 1] = -3e4f;
    values[0] = 1e4f;
    expect_survival(values, {4000, 3}, *encoder);
  }
}

TEST(EncodeTensor, ASingleWeightInAColumnOfZeros) {
  // Normalised it is sqrt(rows): far outside any table.
  for (const Encoder* encoder : {&linear_encoder(), &residual_encoder()}) {
    std::vector<float> values(20000, 0.0f);
    values[12345] = 0.125f;
    expect_survival(values, {20000, 1}, *encoder);
  }
}

TEST(EncodeTensor, TinyAndHugeMagnitudesSurvive) {
  std::mt19937 random(6);
  for (const float magnitude : {1e-38f, 1e-30f, 1e30f, 5e37f}) {
    expect_survival(random_values(64 * 5, magnitude, random), {64, 5}, linear_encoder());
  }
  std::vector<float> mixed(64 * 4, 0.0f);
  for (size_t r = 0; r < 64; ++r) {
    mixed[4 * r] = r % 2 == 0 ? 3e38f : -3e38f;
    mixed[4 * r + 1] = 3.4e38f;
    mixed[4 * r + 2] = 1e28f;  // 2^-34 of the largest
    mixed[4 * r + 3] = r % 2 == 0 ? -1e28f : 1e28f;
  }
  expect_survival(mixed, {64, 4}, linear_encoder());
}

}  // namespace
}  // namespace nwc
