#include "tensor/line_scales_coding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "codec/encode/plain_codec.h"
#include "decode/tensor_decoder.h"
#include "support/tiny_codec.h"
#include "tensor/tensor_encoder.h"

namespace nwc {
namespace {

std::vector<int16_t> around(int mean, double spread, size_t count, std::mt19937& random) {
  std::normal_distribution<double> noise(mean, spread);
  std::vector<int16_t> numbers;
  for (size_t i = 0; i < count; ++i) numbers.push_back(static_cast<int16_t>(std::lround(noise(random))));
  return numbers;
}

LineScales some_lines(size_t columns, size_t rows, std::mt19937& random) {
  return {around(-40, 6, columns, random), around(0, 4, rows, random), around(50, 2, columns, random),
          around(2, 3, rows, random)};
}

StreamHeader header_of(const LineScales& lines) {
  StreamHeader header;
  header.columns = lines.column_steps.size();
  header.rows = lines.row_steps.size();
  return header;
}

void expect_round_trip(const LineScales& lines, const TableSet& tables, size_t most) {
  const std::vector<std::byte> bytes = code_line_scales(lines, tables);
  EXPECT_LE(bytes.size(), most);
  std::span<const std::byte> section = bytes;
  const Result<LineScales> back = read_line_scales(section, header_of(lines), DecodingTables(tables));
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_TRUE(section.empty());
  EXPECT_EQ(back->column_steps, lines.column_steps);
  EXPECT_EQ(back->row_steps, lines.row_steps);
  EXPECT_EQ(back->column_spreads, lines.column_spreads);
  EXPECT_EQ(back->row_spreads, lines.row_spreads);
}

TEST(LineScalesCoding, ThereAndBackNearTheirEntropy) {
  std::mt19937 random(1);
  const TableSet tables = plain_codec(64, 1.0).decoder.tables.set;
  // Entropies of these Gaussians: 4.63, 4.05, 3.05 and 3.63 bits.
  expect_round_trip(some_lines(1000, 600, random), tables, (1000 * 768 + 600 * 768) / 800 + 200);
  expect_round_trip(some_lines(30000, 1, random), tables, 30000 * 768 / 800 + 1000);
  expect_round_trip(some_lines(1, 1, random), tables, 60);
  expect_round_trip({}, tables, 16);
}

TEST(LineScalesCoding, NumbersFarFromAllOthers) {
  std::mt19937 random(2);
  LineScales lines = some_lines(300, 200, random);
  lines.column_steps[7] = kLargestLineNumber;
  lines.row_steps[8] = -kLargestLineNumber;
  lines.column_spreads[299] = -kLargestLineNumber;
  expect_round_trip(lines, plain_codec(64, 1.0).decoder.tables.set, 1000);
}

class EncodedByLines : public ::testing::TestWithParam<bool> {};

// Weights come back as multiples of their steps, nearest to what they were, whatever slice of them is asked for.
TEST_P(EncodedByLines, WeightsAreMultiplesOfTheirSteps) {
  std::mt19937 random(3);
  const bool transposed = GetParam();
  constexpr uint64_t kMatrices = 2, kRows = 37, kColumns = 50;
  const testing::OwnedMatrix weights(
      "w", DType::kF32,
      transposed ? std::vector<uint64_t>{2, kColumns, kRows} : std::vector<uint64_t>{2, kRows, kColumns},
      testing::random_values(kMatrices * kRows * kColumns, 0.05f, random), transposed);
  TensorGuide guide;
  guide.lines = some_lines(kMatrices * kColumns, kMatrices * kRows, random);
  const EncoderCodec plain = plain_codec(64, 1.0);
  const Encoder encoder(plain, 99);
  EncodeOptions options{.tile_chunks = 64, .run_groups = 3};
  options.normalisation = {.kind = Normalisation::kTensor, .gain = 2};
  for (const bool own_tables : {false, true}) {
    options.own_tables = own_tables;
    const Result<EncodedTensor> encoded = encode_tensor(weights.matrix(), guide, encoder, options, 2);
    ASSERT_TRUE(encoded) << encoded.error().to_string();
    EXPECT_EQ(encoded->scales.size(), 2u) << "one base";
    EXPECT_EQ(encoded->header.context_rule, ContextRule::kScaleClasses);
    const Codec codec(plain.decoder, 99);
    const Result<TensorDecoder> decoder =
        TensorDecoder::open("w", encoded->stream, encoded->scales, encoded->levels, codec);
    ASSERT_TRUE(decoder) << decoder.error().to_string();
    std::vector<float> back(kMatrices * kRows * kColumns);
    ASSERT_TRUE(decoder->decode(DType::kF32, std::as_writable_bytes(std::span(back)), 2));
    const std::vector<float> original = testing::floats_of(DType::kF32, weights.bytes());
    for (uint64_t m = 0; m < kMatrices; ++m) {
      for (uint64_t i = 0; i < kRows; ++i) {
        for (uint64_t j = 0; j < kColumns; ++j) {
          const float step = line_scale(0.5f, guide.lines->column_steps[m * kColumns + j]) *
                             line_scale(1.0f, guide.lines->row_steps[m * kRows + i]);
          const uint64_t at = m * kRows * kColumns + (transposed ? j * kRows + i : i * kColumns + j);
          const float value = back[at] / step;
          ASSERT_NEAR(value, std::nearbyint(value), 1e-4f * (1 + std::abs(value)));
          ASSERT_LE(std::abs(back[at] - original[at]), 0.501f * step);
        }
      }
      const Slice slice{m, 15, 20, 7, 33};
      std::vector<float> part(5 * 26);
      ASSERT_TRUE(decoder->decode_slice(slice, DType::kF32, std::as_writable_bytes(std::span(part)), 1));
      for (uint64_t i = 0; i < 5; ++i) {
        for (uint64_t j = 0; j < 26; ++j) {
          const uint64_t at =
              m * kRows * kColumns + (transposed ? (j + 7) * kRows + i + 15 : (i + 15) * kColumns + j + 7);
          ASSERT_EQ(part[transposed ? j * 5 + i : i * 26 + j], back[at]);
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Orders, EncodedByLines, ::testing::Bool());

}  // namespace
}  // namespace nwc
