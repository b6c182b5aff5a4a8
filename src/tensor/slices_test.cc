// Rectangles of an encoded tensor, decoded alone.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "support/encoded_tensors.h"

namespace nwc {
namespace {

using testing::decode;
using testing::encode;
using testing::floats_of;
using testing::linear_encoder;
using testing::mixed_levels;
using testing::open;
using testing::OwnedMatrix;
using testing::random_values;
using testing::residual_encoder;

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
