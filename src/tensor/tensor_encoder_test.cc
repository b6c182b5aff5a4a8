// Whole tensors through encoder and decoder, with codecs made by hand.
#include "tensor/tensor_encoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "decode/tensor_decoder.h"
#include "support/tiny_codec.h"
#include "tensor/tensor_sample.h"
#include "weights/normalisation.h"

namespace nwc {
namespace {

using testing::floats_of;
using testing::OwnedMatrix;
using testing::random_values;

constexpr uint64_t kCodecId = 77;

const Encoder& linear_encoder() {
  static const Encoder encoder(testing::linear_codec(), kCodecId);
  return encoder;
}
const Encoder& residual_encoder() {
  static const Encoder encoder(testing::residual_codec(), kCodecId);
  return encoder;
}

EncodedTensor encode(const OwnedMatrix& m, const Encoder& encoder, std::span<const uint8_t> levels = {},
                     const EncodeOptions& options = {}, int threads = 1) {
  Result<EncodedTensor> encoded =
      encode_tensor(m.matrix(), TensorGuide{.levels = {levels.begin(), levels.end()}}, encoder, options, threads);
  EXPECT_TRUE(encoded.ok()) << encoded.error().to_string();
  return encoded ? *std::move(encoded) : EncodedTensor{};
}

TensorDecoder open(const OwnedMatrix& m, const EncodedTensor& encoded, const Encoder& encoder) {
  Result<TensorDecoder> decoder =
      TensorDecoder::open(m.matrix().name, encoded.stream, encoded.scales, encoded.levels, encoder.codec());
  if (!decoder) throw std::runtime_error(decoder.error().to_string());
  return *std::move(decoder);
}

std::vector<std::byte> decode(const TensorDecoder& decoder, DType dtype, int threads = 1) {
  std::vector<std::byte> out(decoder.header().elements() * bits_of(dtype) / 8, std::byte{0xEE});
  const Status status = decoder.decode(dtype, out, threads);
  EXPECT_TRUE(status.ok()) << status.error().to_string();
  return out;
}

std::vector<float> decoded_floats(const OwnedMatrix& m, const EncodedTensor& encoded, const Encoder& encoder) {
  return floats_of(DType::kF32, decode(open(m, encoded, encoder), DType::kF32));
}

// What the linear codec must give for one weight: a uniform quantiser on the normalised weight. `scale` is the
// column's.
double quantised(double weight, double scale, double step) {
  return scale == 0 ? 0.0 : std::nearbyint(weight / scale / step) * step * scale;
}

struct Shape {
  std::vector<uint64_t> shape;
  bool transposed;
};

std::vector<Shape> shapes() {
  std::vector<Shape> all;
  for (const bool transposed : {false, true}) {
    for (const std::vector<uint64_t>& shape : {std::vector<uint64_t>{1, 40},
                                               {40, 1},
                                               {1, 1},
                                               {16, 1},
                                               {1, 16},
                                               {16, 16},
                                               {17, 31},
                                               {50, 33},
                                               {130, 70},
                                               {3, 20, 18},
                                               {1, 16, 16},
                                               {5, 1, 3}}) {
      all.push_back({shape, transposed});
    }
  }
  return all;
}

size_t product(const std::vector<uint64_t>& shape) {
  size_t n = 1;
  for (const uint64_t d : shape) n *= d;
  return n;
}

// Levels that differ from column to column, all the codec has.
std::vector<uint8_t> mixed_levels(const WeightMatrix& m, unsigned levels) {
  std::vector<uint8_t> values(m.matrices * m.columns);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<uint8_t>((i * 7 + i / 3) % levels);
  return values;
}

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
          const EncodedTensor encoded = encode(m, *encoder, levels, {tile_chunks, run_groups, own_tables});
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

// --- slices

TEST(DecodeSlice, EqualsTheSubRectangleOfTheWhole) {
  std::mt19937 random(13);
  for (const bool transposed : {false, true}) {
    for (const Encoder* encoder : {&linear_encoder(), &residual_encoder()}) {
      const uint64_t matrices = 2, rows = 75, columns = 61;
      const OwnedMatrix m(
          "w", DType::kF32,
          transposed ? std::vector<uint64_t>{matrices, columns, rows} : std::vector<uint64_t>{matrices, rows, columns},
          random_values(matrices * rows * columns, 1, random), transposed);
      const EncodedTensor encoded =
          encode(m, *encoder, mixed_levels(m.matrix(), encoder->codec().parts().levels()), {.tile_chunks = 32});
      const TensorDecoder decoder = open(m, encoded, *encoder);
      const std::vector<float> whole = floats_of(DType::kF32, decode(decoder, DType::kF32));
      for (int round = 0; round < 60; ++round) {
        Slice slice{random() % matrices, random() % (rows + 1), random() % (rows + 1), random() % (columns + 1),
                    random() % (columns + 1)};
        if (slice.row_begin > slice.row_end) std::swap(slice.row_begin, slice.row_end);
        if (slice.column_begin > slice.column_end) std::swap(slice.column_begin, slice.column_end);
        if (round == 0) slice = {1, 0, rows, 0, columns};
        if (round == 1) slice = {0, 16, 17, 5, 6};
        const uint64_t height = slice.row_end - slice.row_begin, width = slice.column_end - slice.column_begin;
        std::vector<std::byte> out(height * width * 4);
        const Status status = decoder.decode_slice(slice, DType::kF32, out, 1 + round % 3);
        ASSERT_TRUE(status.ok()) << status.error().to_string();
        const std::vector<float> values = floats_of(DType::kF32, out);
        for (uint64_t r = 0; r < height; ++r) {
          for (uint64_t c = 0; c < width; ++c) {
            ASSERT_EQ(values[transposed ? c * height + r : r * width + c],
                      whole[m.matrix().index_of(slice.matrix, slice.row_begin + r, slice.column_begin + c)]);
          }
        }
      }
    }
  }
}

TEST(DecodeSlice, RectanglesOutsideAreRefused) {
  std::mt19937 random(14);
  const OwnedMatrix m("w", DType::kF32, {20, 30}, random_values(600, 1, random));
  const EncodedTensor encoded = encode(m, linear_encoder());
  const TensorDecoder decoder = open(m, encoded, linear_encoder());
  std::vector<std::byte> out(2400);
  for (const Slice& slice : {Slice{1, 0, 20, 0, 30}, Slice{0, 0, 21, 0, 30}, Slice{0, 0, 20, 0, 31},
                             Slice{0, 5, 4, 0, 30}, Slice{0, 0, 20, 9, 8}, Slice{0, ~uint64_t{0}, 20, 0, 30}}) {
    const Status status = decoder.decode_slice(slice, DType::kF32, out, 1);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code(), ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(decoder.decode_slice({0, 0, 20, 0, 30}, DType::kI8, out, 1).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(decoder.decode_slice({0, 0, 10, 0, 30}, DType::kF32, out, 1).error().code(), ErrorCode::kInvalidArgument)
      << "buffer too large";
  EXPECT_EQ(decoder.decode(DType::kF32, {out.data(), 2399}, 1).error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace nwc
