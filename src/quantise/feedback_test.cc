// Levels and feedback, through encoder and decoder.
#include "quantise/feedback.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "decode/tensor_decoder.h"
#include "guide/guide.h"
#include "guide/importance.h"
#include "support/tiny_codec.h"
#include "tensor/tensor_encoder.h"

namespace nwc {
namespace {

using testing::floats_of;
using testing::OwnedMatrix;
using testing::random_values;

constexpr uint64_t kCodecId = 9;

// Inputs whose neighbours are strongly correlated: the lower triangle of their second moment, and the full matrix.
struct Inputs {
  uint64_t n;
  std::vector<float> triangle;
  std::vector<double> full;
};

Inputs correlated_inputs(uint64_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> scale = random_values(n, 0.6, random);
  Inputs inputs{n, {}, std::vector<double>(n * n)};
  for (uint64_t i = 0; i < n; ++i) {
    for (uint64_t j = 0; j <= i; ++j) {
      const double h = std::pow(0.9, static_cast<double>(i - j)) * std::exp(scale[i] + scale[j]);
      inputs.triangle.push_back(static_cast<float>(h));
      inputs.full[i * n + j] = inputs.full[j * n + i] = h;
    }
  }
  return inputs;
}

double weighted_error(const std::vector<float>& original, const std::vector<float>& decoded, uint64_t rows,
                      const Inputs& h) {
  double sum = 0;
  for (uint64_t r = 0; r < rows; ++r) {
    for (uint64_t i = 0; i < h.n; ++i) {
      for (uint64_t j = 0; j < h.n; ++j) {
        sum += (double{original[r * h.n + i]} - decoded[r * h.n + i]) * h.full[i * h.n + j] *
               (double{original[r * h.n + j]} - decoded[r * h.n + j]);
      }
    }
  }
  return sum;
}

TensorGuide guide_of(const Inputs& inputs, const Encoder& encoder, GuideOptions options) {
  const HessianView view{inputs.triangle, inputs.n};
  const std::vector<double> rms(inputs.n, 1.0);
  Result<TensorGuide> guide = make_guide({&view, 1}, 1, inputs.n, rms, encoder.level_errors(), options, 1);
  EXPECT_TRUE(guide.ok()) << guide.error().to_string();
  return *std::move(guide);
}

std::vector<float> decoded_with(const OwnedMatrix& m, const TensorGuide& guide, const Encoder& encoder,
                                EncodedTensor& encoded, int threads = 1) {
  Result<EncodedTensor> made = encode_tensor(m.matrix(), guide, encoder, {.tile_chunks = 64}, threads);
  EXPECT_TRUE(made.ok());
  encoded = *std::move(made);
  const Result<TensorDecoder> decoder =
      TensorDecoder::open(m.matrix().name, encoded.stream, encoded.scales, encoded.levels, encoder.codec());
  EXPECT_TRUE(decoder.ok());
  std::vector<std::byte> out(decoder->header().elements() * 4);
  EXPECT_TRUE(decoder->decode(DType::kF32, out, 1).ok());
  return floats_of(DType::kF32, out);
}

TEST(Importance, SharesOfColumnsFinestFirst) {
  std::vector<double> sensitivity(1000);
  for (size_t i = 0; i < 1000; ++i) sensitivity[i] = static_cast<double>((i * 7) % 1000);
  const std::vector<uint8_t> levels = importance_levels(sensitivity, {});
  size_t counts[4] = {};
  for (size_t i = 0; i < 1000; ++i) {
    ++counts[levels[i]];
    EXPECT_EQ(levels[i], sensitivity[i] >= 999 ? 3 : sensitivity[i] >= 989 ? 2 : sensitivity[i] >= 889 ? 1 : 0);
  }
  EXPECT_EQ(counts[3], 1u);
  EXPECT_EQ(counts[2], 10u);
  EXPECT_EQ(counts[1], 100u);
  EXPECT_EQ(importance_levels(std::vector<double>(20, 1.0), {}),
            (std::vector<uint8_t>{1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}))
      << "counts are rounded down, ties go to the lower column";
}

// The form of the feedback: a uniform quantiser that is fed the errors of the original columns. What the encoder gives
// must be this, element by element; GPTQ's form, which feeds back the corrected columns, must differ.
TEST(Feedback, IsLdlqWithTheOriginalColumns) {
  const Encoder encoder(testing::linear_codec(), kCodecId);
  const uint64_t rows = 16, n = 24;
  std::mt19937 random(1);
  const std::vector<float> w = random_values(rows * n, 1.0, random);
  const OwnedMatrix m("w", DType::kF32, {rows, n}, w);
  const Inputs inputs = correlated_inputs(n, 2);
  const TensorGuide guide = guide_of(inputs, encoder, {.levels = false, .ldl = {.damping = 0.0}});
  EncodedTensor encoded;
  const std::vector<float> decoded = decoded_with(m, guide, encoder, encoded);
  const WeightScales scales = *weight_scales(m.matrix(), {}, {}, 1);
  const FeedbackFactor& f = *guide.feedback[0];
  size_t different = 0;
  for (uint64_t r = 0; r < rows; ++r) {
    std::vector<double> original_errors(n), corrected_errors(n);
    for (uint64_t p = n; p-- > 0;) {
      const uint64_t k = f.order[p];
      double target = w[r * n + k], gptq = target;
      for (uint64_t j = p + 1; j < n; ++j) {
        target += original_errors[j] * f.row(p)[j];
        gptq += corrected_errors[j] * f.row(p)[j];
      }
      const double step = testing::kLinearSteps[0] * scales.columns[k];
      const double quantised = std::nearbyint(target / step) * step, wrong = std::nearbyint(gptq / step) * step;
      original_errors[p] = w[r * n + k] - quantised;
      corrected_errors[p] = gptq - wrong;
      if (std::abs(std::abs(target / step - std::floor(target / step)) - 0.5) < 1e-4)
        continue;  // a tie that rounding in binary32 may turn
      EXPECT_NEAR(decoded[r * n + k], quantised, 1e-5 * std::abs(quantised) + 1e-6) << "row " << r << ", column " << k;
      different += std::abs(quantised - wrong) > 0.5 * step ? 1 : 0;
    }
  }
  EXPECT_GT(different, rows);
}

TEST(Feedback, LowersTheWeightedErrorAndReportsIt) {
  for (const bool sorted : {false, true}) {
    const Encoder encoder(testing::linear_codec(), kCodecId);
    const uint64_t rows = 50, n = 60;
    std::mt19937 random(3);
    const std::vector<float> w = random_values(rows * n, 1.0, random);
    const OwnedMatrix m("w", DType::kF32, {rows, n}, w);
    const Inputs inputs = correlated_inputs(n, 4);
    EncodedTensor plain, fed;
    const double before = weighted_error(w, decoded_with(m, {}, encoder, plain), rows, inputs);
    const TensorGuide guide =
        guide_of(inputs, encoder, {.levels = false, .sort_columns = sorted, .ldl = {.damping = 0.0}});
    const double after = weighted_error(w, decoded_with(m, guide, encoder, fed), rows, inputs);
    EXPECT_LT(after, 0.5 * before);
    EXPECT_NEAR(fed.statistics.weighted_error / after, 1.0, 1e-3);
    EXPECT_EQ(plain.statistics.weighted_error, 0.0);
  }
}

TEST(Feedback, LargerBlocksHelpLess) {
  const Encoder encoder(testing::linear_codec(), kCodecId);
  std::mt19937 random(5);
  const std::vector<float> w = random_values(64 * 64, 1.0, random);
  const OwnedMatrix m("w", DType::kF32, {64, 64}, w);
  const Inputs inputs = correlated_inputs(64, 6);
  EncodedTensor encoded;
  double last = 0;
  for (const uint32_t block : {1u, 8u, 64u}) {
    const double error = weighted_error(
        w,
        decoded_with(m, guide_of(inputs, encoder, {.levels = false, .ldl = {.block_size = block}}), encoder, encoded),
        64, inputs);
    EXPECT_GT(error, last);
    last = error;
  }
  EncodedTensor plain;
  EXPECT_EQ(decoded_with(m, guide_of(inputs, encoder, {.levels = false, .ldl = {.block_size = 64}}), encoder, encoded),
            decoded_with(m, {}, encoder, plain))
      << "one block is no feedback";
}

TEST(Feedback, TheSameForThreadsAndInstructionSets) {
  const Encoder encoder(testing::residual_codec(), kCodecId);
  std::mt19937 random(7);
  const OwnedMatrix m("w", DType::kBF16, {2, 600, 40}, random_values(2 * 600 * 40, 0.02, random));
  const Inputs inputs = correlated_inputs(40, 8);
  const HessianView view{inputs.triangle, 40};
  const std::vector<double> rms(80, 1.0);
  const TensorGuide guide =
      *make_guide({&view, 1}, 2, 40, rms, encoder.level_errors(), {.importance = {.shares = {0.1}}}, 1);
  const EncodedTensor one = *encode_tensor(m.matrix(), guide, encoder, {}, 1),
                      three = *encode_tensor(m.matrix(), guide, encoder, {}, 3);
  EXPECT_EQ(one.stream, three.stream);
}

TEST(Feedback, PaddedRowsAndColumnsOfZeros) {
  const Encoder encoder(testing::linear_codec(), kCodecId);
  std::mt19937 random(9);
  std::vector<float> w = random_values(37 * 21, 1.0, random);
  for (size_t r = 0; r < 37; ++r) w[r * 21 + 5] = 0;
  const OwnedMatrix m("w", DType::kF32, {37, 21}, w);
  EncodedTensor encoded;
  const std::vector<float> decoded =
      decoded_with(m, guide_of(correlated_inputs(21, 10), encoder, {}), encoder, encoded);
  for (size_t r = 0; r < 37; ++r) EXPECT_EQ(decoded[r * 21 + 5], 0.0f);
}

TEST(WaterFill, EvensOutWhatColumnsCost) {
  const Encoder encoder(testing::linear_codec(), kCodecId);
  const Inputs inputs = correlated_inputs(48, 11);
  const TensorGuide guide = guide_of(inputs, encoder, {.steps = StepRule::kWaterFill});
  ASSERT_EQ(guide.column_gains.size(), 48u);
  const LevelErrors errors = encoder.level_errors();
  double least = 1e300, most = 0;
  for (uint64_t p = 0; p < 48; ++p) {
    const uint32_t k = guide.feedback[0]->order[p];
    const double step = errors[guide.levels[k]] / guide.column_gains[k],
                 cost = guide.feedback[0]->pivots[p] * step * step;
    least = std::min(least, cost);
    most = std::max(most, cost);
  }
  EXPECT_NEAR(most / least, 1.0, 1e-6);
}

}  // namespace
}  // namespace nwc
