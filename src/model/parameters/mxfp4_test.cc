#include "model/parameters/mxfp4.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace nwc {
namespace {

std::vector<float> decoded(const std::vector<uint8_t>& blocks, const std::vector<uint8_t>& scales, size_t rows,
                           size_t columns) {
  std::vector<float> weights(rows * columns, 99);
  decode_mxfp4_transposed(blocks, scales, rows, columns, weights);
  return weights;
}

TEST(Mxfp4Test, AllSixteenValuesLowBitsFirst) {
  // Bytes 0x10, 0x32, ... hold the codes 0, 1, 2, ...; twice.
  std::vector<uint8_t> block;
  for (int i = 0; i < 16; ++i) block.push_back(static_cast<uint8_t>((2 * i % 16) | (2 * i % 16 + 1) << 4));
  const std::vector<float> once{0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6};
  std::vector<float> expected = once;
  expected.insert(expected.end(), once.begin(), once.end());
  EXPECT_EQ(decoded(block, {127}, 1, 32), expected);
  EXPECT_TRUE(std::signbit(decoded(block, {127}, 1, 32)[8]));
}

TEST(Mxfp4Test, ScalesArePowersOfTwo) {
  const std::vector<uint8_t> sixes(16, 0x77);
  EXPECT_EQ(decoded(sixes, {127}, 1, 32)[5], 6);
  EXPECT_EQ(decoded(sixes, {128}, 1, 32)[5], 12);
  EXPECT_EQ(decoded(sixes, {120}, 1, 32)[5], 6 / 128.0f);
  EXPECT_EQ(decoded(sixes, {0}, 1, 32)[5], std::ldexp(6.0f, -127));
  EXPECT_TRUE(std::isnan(decoded(sixes, {255}, 1, 32)[5]));
}

TEST(Mxfp4Test, RowsBecomeColumns) {
  // Two rows of 64: four blocks with the values 1, 2, 3, 4 throughout.
  std::vector<uint8_t> blocks;
  for (const uint8_t byte : {0x22, 0x44, 0x55, 0x66}) blocks.insert(blocks.end(), 16, byte);
  const std::vector<float> weights = decoded(blocks, {127, 128, 127, 126}, 2, 64);
  for (size_t column = 0; column < 64; ++column) {
    EXPECT_EQ(weights[column * 2], column < 32 ? 1 : 4);
    EXPECT_EQ(weights[column * 2 + 1], column < 32 ? 3 : 2);
  }
}

}  // namespace
}  // namespace nwc
