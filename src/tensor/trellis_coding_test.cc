// Tensors whose weights follow a trellis, from encoder to decoder.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "codec/encode/plain_codec.h"
#include "codec/encode/trellis_codes.h"
#include "decode/tensor_decoder.h"
#include "guide/sensitivity.h"
#include "support/tiny_codec.h"
#include "tensor/tensor_encoder.h"
#include "tensor/tensor_sample.h"

namespace nwc {
namespace {

constexpr uint64_t kMatrices = 2, kRows = 100, kColumns = 50;

LineScales some_lines(std::mt19937& random) {
  LineScales lines;
  const auto some = [&](size_t count, int mean, unsigned spread, std::vector<int16_t>& numbers) {
    for (size_t i = 0; i < count; ++i)
      numbers.push_back(static_cast<int16_t>(mean + static_cast<int>(random() % spread)));
  };
  some(kMatrices * kColumns, -40, 16, lines.column_steps);
  some(kMatrices * kRows, -8, 16, lines.row_steps);
  some(kMatrices * kColumns, 42, 8, lines.column_spreads);
  some(kMatrices * kRows, -4, 8, lines.row_spreads);
  return lines;
}

struct Case {
  unsigned states;
  bool transposed;
};

class TrellisCoding : public ::testing::TestWithParam<Case> {};

// Weights come back as multiples of their steps, near to what they were, whatever slice of them is asked for.
TEST_P(TrellisCoding, WeightsAreMultiplesOfTheirSteps) {
  std::mt19937 random(3);
  const auto [states, transposed] = GetParam();
  std::vector<float> values = testing::random_values(kMatrices * kRows * kColumns, 0.05f, random);
  values[123] = 40;  // spelled out
  const testing::OwnedMatrix weights(
      "w", DType::kF32,
      transposed ? std::vector<uint64_t>{2, kColumns, kRows} : std::vector<uint64_t>{2, kRows, kColumns}, values,
      transposed);
  TensorGuide guide;
  guide.lines = some_lines(random);
  const EncoderCodec plain = trellis_codec(make_trellis(states), kCentreContext, 2.0);
  const Encoder encoder(plain, 99);
  EncodeOptions options{.tile_chunks = 64, .rate_weight = kBestTrellisRateWeight};
  options.normalisation = {.kind = Normalisation::kTensor, .gain = 2};
  const Result<EncodedTensor> encoded = encode_tensor(weights.matrix(), guide, encoder, options, 2);
  ASSERT_TRUE(encoded) << encoded.error().to_string();
  EXPECT_EQ(encoded->header.context_rule, ContextRule::kTrellis);
  EXPECT_EQ(encoded->header.run_groups, 1u);
  EXPECT_FALSE(encoded->header.has_own_tables);
  EXPECT_GT(encoded->statistics.escapes, 0u);
  const Codec codec(plain.decoder, 99);
  const Result<TensorDecoder> decoder = TensorDecoder::open("w", encoded->stream, encoded->scales, {}, codec);
  ASSERT_TRUE(decoder) << decoder.error().to_string();
  std::vector<float> back(kMatrices * kRows * kColumns);
  ASSERT_TRUE(decoder->decode(DType::kF32, std::as_writable_bytes(std::span(back)), 2));
  double squares = 0;
  for (uint64_t m = 0; m < kMatrices; ++m) {
    for (uint64_t i = 0; i < kRows; ++i) {
      for (uint64_t j = 0; j < kColumns; ++j) {
        const float step = line_scale(0.5f, guide.lines->column_steps[m * kColumns + j]) *
                           line_scale(1.0f, guide.lines->row_steps[m * kRows + i]);
        const uint64_t at = m * kRows * kColumns + (transposed ? j * kRows + i : i * kColumns + j);
        const float integer = back[at] / step, error = (back[at] - values[at]) / step;
        ASSERT_NEAR(integer, std::nearbyint(integer), 1e-4f * (1 + std::abs(integer)));
        ASSERT_LE(std::abs(error), 4.5f);
        squares += static_cast<double>(error) * error;
      }
    }
    const Slice slice{m, 60, 70, 7, 33};
    std::vector<float> part(10 * 26);
    ASSERT_TRUE(decoder->decode_slice(slice, DType::kF32, std::as_writable_bytes(std::span(part)), 1));
    for (uint64_t i = 0; i < 10; ++i) {
      for (uint64_t j = 0; j < 26; ++j) {
        const uint64_t at =
            m * kRows * kColumns + (transposed ? (j + 7) * kRows + i + 60 : (i + 60) * kColumns + j + 7);
        ASSERT_EQ(part[transposed ? j * 10 + i : i * 26 + j], back[at]);
      }
    }
  }
  // Integers of one union stand two steps apart: rounding to them would leave a third.
  EXPECT_LT(squares / static_cast<double>(back.size()), 0.31);
}

INSTANTIATE_TEST_SUITE_P(States, TrellisCoding, ::testing::Values(Case{4, false}, Case{8, true}, Case{64, false}),
                         [](const auto& info) {
                           return std::to_string(info.param.states) + (info.param.transposed ? "Transposed" : "");
                         });

TEST(TrellisCoding, AsksForARuleWithATrellis) {
  std::mt19937 random(5);
  const testing::OwnedMatrix weights("w", DType::kF32, {2, kRows, kColumns},
                                     testing::random_values(kMatrices * kRows * kColumns, 0.05f, random));
  TensorGuide guide;
  guide.lines = some_lines(random);
  EncoderCodec codec = trellis_codec(make_trellis(8), kCentreContext, 2.0);
  codec.by_lines = ContextRule::kScaleClasses;
  const Result<EncodedTensor> encoded = encode_tensor(weights.matrix(), guide, Encoder(codec, 99), {}, 1);
  ASSERT_FALSE(encoded);
  EXPECT_EQ(encoded.error().to_string(), "the codec is for a table rule that does not go with its trellis");
}

// What a sample says a tensor takes is what it takes.
TEST(TrellisCoding, SamplesForetellBytes) {
  std::mt19937 random(4);
  const testing::OwnedMatrix weights("w", DType::kF32, {2, 500, kColumns},
                                     testing::random_values(2 * 500 * kColumns, 0.05f, random));
  TensorGuide guide;
  guide.lines = some_lines(random);
  guide.lines->row_steps.assign(2 * 500, 0);
  guide.lines->row_spreads.assign(2 * 500, 0);
  const EncoderCodec plain = trellis_codec(make_trellis(8), kCentreContext, 2.0);
  const Encoder encoder(plain, 99);
  const EncodeOptions options{.tile_chunks = 64, .rate_weight = kBestTrellisRateWeight};
  const Result<EncodedTensor> encoded = encode_tensor(weights.matrix(), guide, encoder, options, 2);
  ASSERT_TRUE(encoded);
  const Result<TensorSample> sample = sample_tensor(weights.matrix(), guide, encoder, options, 100, 2);
  ASSERT_TRUE(sample);
  const double real = static_cast<double>(encoded->stream.size() + encoded->scales.size());
  EXPECT_NEAR(estimated_bytes(*sample, plain.decoder.tables.set, false), real, 0.01 * real);
}

}  // namespace
}  // namespace nwc
