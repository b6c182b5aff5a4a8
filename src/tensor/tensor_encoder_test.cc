// Whole tensors through encoder and decoder, with codecs made by hand.
#include "tensor/tensor_encoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "support/encoded_tensors.h"
#include "tensor/tensor_sample.h"
#include "weights/normalisation.h"

namespace nwc {
namespace {

using testing::decode;
using testing::decoded_floats;
using testing::encode;
using testing::kCodecId;
using testing::linear_encoder;
using testing::mixed_levels;
using testing::open;
using testing::OwnedMatrix;
using testing::product;
using testing::quantised;
using testing::random_values;
using testing::residual_encoder;
using testing::shapes;

TEST(EncodeTensor, IsTheQuantiserThatTheCodecDescribes) {
  std::mt19937 random(1);
  for (const auto& [shape, transposed] : shapes()) {
    for (const bool with_levels : {false, true}) {
      const OwnedMatrix m("w", DType::kF32, shape, random_values(product(shape), 0.02, random), transposed);
      const WeightMatrix w = m.matrix();
      const std::vector<uint8_t> levels = with_levels ? mixed_levels(w, 4) : std::vector<uint8_t>();
      const EncodedTensor encoded = encode(m, linear_encoder(), levels);
      const std::vector<float> decoded = decoded_floats(m, encoded, linear_encoder());
      const WeightScales scales = *weight_scales(w, {.gain = 1.0}, {}, 1);
      double squares = 0;
      for (uint64_t b = 0; b < w.matrices; ++b) {
        for (uint64_t r = 0; r < w.rows; ++r) {
          for (uint64_t c = 0; c < w.columns; ++c) {
            const uint64_t column = b * w.columns + c, at = w.index_of(b, r, c);
            const double step = testing::kLinearSteps[with_levels ? levels[column] : 0];
            // Next to a boundary between two steps binary32 may decide otherwise.
            const double wanted = quantised(w.at(at), scales.columns[column], step);
            EXPECT_LE(std::abs(decoded[at] - w.at(at)), 0.5001 * step * scales.columns[column]) << at;
            const double quotient = w.at(at) / scales.columns[column] / step,
                         to_boundary = std::abs(quotient - std::floor(quotient) - 0.5);
            EXPECT_TRUE(to_boundary < 1e-4 || std::abs(decoded[at] - wanted) < 1e-6 * std::abs(wanted) + 1e-12) << at;
            squares += std::pow(static_cast<double>(decoded[at]) - w.at(at), 2);
          }
        }
      }
      EXPECT_NEAR(encoded.statistics.squared_error, squares, 1e-3 * squares);
      EXPECT_EQ(encoded.statistics.weights, decoded.size());
      EXPECT_EQ(encoded.levels.empty(), levels.empty());
    }
  }
}

TEST(EncodeTensor, HeaderDescribesTheOriginal) {
  std::mt19937 random(2);
  const OwnedMatrix m("model.layers.0.experts", DType::kBF16, {3, 20, 50}, random_values(3000, 1, random), true);
  const EncodedTensor encoded =
      encode(m, linear_encoder(), mixed_levels(m.matrix(), 4), {.tile_chunks = 64, .run_groups = 3});
  const TensorDecoder decoder = open(m, encoded, linear_encoder());
  const StreamHeader& h = decoder.header();
  EXPECT_EQ(h.codec_id, kCodecId);
  EXPECT_EQ(h.matrices, 3u);
  EXPECT_EQ(h.rows, 50u);
  EXPECT_EQ(h.columns, 20u);
  EXPECT_EQ(h.shape(), (std::vector<uint64_t>{3, 20, 50}));
  EXPECT_EQ(h.dtype, DType::kBF16);
  EXPECT_EQ(h.tile_chunks, 64u);
  EXPECT_EQ(h.run_groups, 3u);
  EXPECT_TRUE(h.transposed && h.has_levels);
  EXPECT_EQ(encoded.scales.size(), 2u * 60);
  EXPECT_EQ(encoded.levels.size(), 15u);
  std::vector<uint64_t> columns(4);
  for (const uint8_t l : mixed_levels(m.matrix(), 4)) ++columns[l];
  EXPECT_EQ(decoder.columns_per_level(), columns);
  EXPECT_EQ(decoder.payload_bytes(), encoded.statistics.payload_bytes);
  EXPECT_EQ(decoder.row_granularity(), 16u);
  EXPECT_TRUE(decoder.verify().ok());
}

TEST(EncodeTensor, TensorsWithoutElements) {
  for (const std::vector<uint64_t>& shape :
       {std::vector<uint64_t>{0, 8}, {8, 0}, {0, 0}, {0, 8, 8}, {3, 0, 8}, {3, 8, 0}}) {
    for (const bool transposed : {false, true}) {
      const OwnedMatrix m("w", DType::kF16, shape, {}, transposed);
      const EncodedTensor encoded = encode(m, linear_encoder());
      EXPECT_EQ(encoded.statistics.payload_bytes, 0u);
      EXPECT_EQ(encoded.stream.size(), 96u);
      const TensorDecoder decoder = open(m, encoded, linear_encoder());
      EXPECT_EQ(decoder.header().shape(), shape);
      EXPECT_TRUE(decode(decoder, DType::kF32).empty());
    }
  }
}

TEST(EncodeTensor, WeightsThatAreNotFiniteAreRefusedByNameAndPosition) {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    std::vector<float> values(3 * 20 * 30, 1.0f);
    values[1 * 600 + 7 * 30 + 4] = bad;
    const OwnedMatrix m("experts", DType::kF32, {3, 20, 30}, values);
    const Result<EncodedTensor> encoded = encode_tensor(m.matrix(), {}, linear_encoder(), {}, 1);
    ASSERT_FALSE(encoded.ok());
    EXPECT_EQ(encoded.error().code(), ErrorCode::kNonFinite);
    EXPECT_EQ(encoded.error().tensor(), "experts");
    EXPECT_EQ(encoded.error().message(), std::string("weight [7, 4] is ") + (std::isnan(bad) ? "NaN" : "infinite"));
  }
}

TEST(EncodeTensor, OptionsOutOfRangeAreRefused) {
  const OwnedMatrix m("w", DType::kF32, {16, 16}, std::vector<float>(256, 1.0f));
  for (const EncodeOptions& options :
       {EncodeOptions{.tile_chunks = 0}, EncodeOptions{.tile_chunks = 31}, EncodeOptions{.tile_chunks = 65568},
        EncodeOptions{.run_groups = 0}, EncodeOptions{.run_groups = 2049},
        EncodeOptions{.normalisation = {.gain = 0.0}}, EncodeOptions{.normalisation = {.gain = 65}},
        EncodeOptions{.normalisation = {.gain = std::nan("")}}}) {
    const Result<EncodedTensor> encoded = encode_tensor(m.matrix(), {}, linear_encoder(), options, 1);
    ASSERT_FALSE(encoded.ok());
    EXPECT_EQ(encoded.error().code(), ErrorCode::kInvalidArgument);
  }
}

TEST(EncodeTensor, ThreadsNeverChangeAByte) {
  std::mt19937 random(7);
  const OwnedMatrix m("w", DType::kF16, {2, 100, 300}, random_values(60000, 1, random));
  for (const Encoder* encoder : {&linear_encoder(), &residual_encoder()}) {
    const std::vector<uint8_t> levels = mixed_levels(m.matrix(), encoder->codec().parts().levels());
    const EncodedTensor one = encode(m, *encoder, levels, {.tile_chunks = 128}, 1);
    const std::vector<std::byte> decoded = decode(open(m, one, *encoder), DType::kF16);
    for (const int threads : {2, 3, 7}) {
      const EncodedTensor other = encode(m, *encoder, levels, {.tile_chunks = 128}, threads);
      EXPECT_EQ(other.stream, one.stream);
      EXPECT_EQ(other.scales, one.scales);
      EXPECT_EQ(other.levels, one.levels);
      EXPECT_EQ(other.statistics.squared_error, one.statistics.squared_error);
      EXPECT_EQ(other.statistics.table_bits, one.statistics.table_bits);
      EXPECT_EQ(decode(open(m, one, *encoder), DType::kF16, threads), decoded);
    }
  }
}

TEST(EncodeTensor, TileSizesAndRunsNeverChangeAWeight) {
  std::mt19937 random(8);
  std::vector<float> values = random_values(170 * 90, 1, random);
  values[1000] = 5000;
  const OwnedMatrix m("w", DType::kF32, {170, 90}, values);
  for (const Encoder* encoder : {&linear_encoder(), &residual_encoder()}) {
    const std::vector<uint8_t> levels = mixed_levels(m.matrix(), encoder->codec().parts().levels());
    const std::vector<std::byte> reference = decode(open(m, encode(m, *encoder, levels), *encoder), DType::kF32);
    for (const uint32_t tile_chunks : {32u, 64u, 96u, 1024u, 65536u}) {
      for (const uint16_t run_groups : {uint16_t{1}, uint16_t{5}, uint16_t{2048}}) {
        for (const bool own_tables : {false, true}) {
          const EncodedTensor encoded = encode(
              m, *encoder, levels, {.tile_chunks = tile_chunks, .run_groups = run_groups, .own_tables = own_tables});
          EXPECT_EQ(decode(open(m, encoded, *encoder), DType::kF32, 2), reference) << tile_chunks << " " << run_groups;
        }
      }
    }
  }
}

TEST(EncodeTensor, PayloadIsWithinOnePerCentOfItsTables) {
  std::mt19937 random(9);
  const OwnedMatrix m("w", DType::kF32, {1024, 1024}, random_values(1024 * 1024, 0.02, random));
  for (const bool own_tables : {false, true}) {
    const EncodedTensor encoded = encode(m, linear_encoder(), {}, {.own_tables = own_tables}, 2);
    const double payload = 8.0 * static_cast<double>(encoded.statistics.payload_bytes);
    EXPECT_GT(payload, encoded.statistics.table_bits);
    EXPECT_LT(payload, encoded.statistics.table_bits * 1.01);
    // A Gaussian over steps of half a deviation: h = 2.047 + 1 bits.
    EXPECT_NEAR(encoded.statistics.table_bits / (1024 * 1024), 3.047, 0.02);
    EXPECT_NEAR(encoded.statistics.normalised_squared_error / (1024 * 1024), 0.25 / 12, 1e-3);
    EXPECT_EQ(encoded.statistics.patches, 0u);
  }
}

TEST(EncodeTensor, OwnTablesPayForThemselves) {
  std::mt19937 random(10);
  // Two-valued columns: nothing like the Gaussian that the codec's tables expect.
  std::vector<float> values(256 * 256);
  for (float& v : values) v = random() % 2 == 0 ? 1.0f : -1.0f;
  const OwnedMatrix m("w", DType::kF32, {256, 256}, values);
  const EncodedTensor codec_tables = encode(m, linear_encoder(), {}, {.own_tables = false});
  const EncodedTensor own_tables = encode(m, linear_encoder());
  EXPECT_FALSE(codec_tables.header.has_own_tables);
  EXPECT_TRUE(own_tables.header.has_own_tables);
  EXPECT_LT(own_tables.stream.size() * 2, codec_tables.stream.size());
  EXPECT_EQ(decoded_floats(m, own_tables, linear_encoder()), decoded_floats(m, codec_tables, linear_encoder()));

  // A small Gaussian tensor: tables would cost more than they save.
  const OwnedMatrix small("w", DType::kF32, {32, 32}, random_values(1024, 1, random));
  EXPECT_FALSE(encode(small, linear_encoder()).header.has_own_tables);
}

TEST(EncodeTensor, GainBuysAccuracy) {
  std::mt19937 random(11);
  const OwnedMatrix m("w", DType::kF32, {256, 256}, random_values(65536, 0.02, random));
  const EncodedTensor plain = encode(m, linear_encoder()),
                      finer = encode(m, linear_encoder(), {}, {.normalisation = {.gain = 2.0}});
  EXPECT_NEAR((finer.statistics.table_bits - plain.statistics.table_bits) / 65536, 1.0, 0.05);
  EXPECT_NEAR(plain.statistics.squared_error / finer.statistics.squared_error, 4.0, 0.2);
}

TEST(EncodeTensor, TheEstimateIsNearTheTruth) {
  std::mt19937 random(12);
  const OwnedMatrix m("w", DType::kF32, {512, 512}, random_values(512 * 512, 0.02, random));
  for (const Encoder* encoder : {&linear_encoder(), &residual_encoder()}) {
    const EncodedTensor encoded = encode(m, *encoder, {}, {.tile_chunks = 512});
    const Result<TensorSample> sample = sample_tensor(m.matrix(), {}, *encoder, {.tile_chunks = 512}, 4, 1);
    ASSERT_TRUE(sample.ok());
    const double estimate = estimated_bytes(*sample, encoder->codec().parts().tables.set, true);
    const double truth = static_cast<double>(encoded.stream.size() + encoded.scales.size());
    EXPECT_NEAR(estimate / truth, 1.0, 0.06);
  }
}

}  // namespace
}  // namespace nwc
