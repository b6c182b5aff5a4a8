#include "baselines/baseline.h"

#include <gtest/gtest.h>

#include <cmath>

#include "quantise/feedback.h"
#include "support/tiny_codec.h"

namespace nwc {
namespace {

using testing::OwnedMatrix;

std::string why(const std::string& method) {
  const Result<std::unique_ptr<const Baseline>> made = make_baseline(method);
  return made ? std::string() : made.error().message();
}

TEST(Baseline, MethodsAreNamesWithNumbers) {
  EXPECT_EQ(why("round-to-nearest"), "");
  EXPECT_EQ(why("round-to-nearest:bits=3,group=0"), "");
  EXPECT_EQ(why("nearest"), "there is no baseline nearest");
  EXPECT_EQ(why("round-to-nearest:bits=9"),
            "round-to-nearest: parameter bits must be a whole number from 1 to 8, not 9");
  EXPECT_EQ(why("round-to-nearest:bits=-4"),
            "round-to-nearest: parameter bits must be a whole number from 1 to 8, not -4");
  EXPECT_EQ(why("round-to-nearest:bits=4x"),
            "round-to-nearest: parameter bits must be a whole number from 1 to 8, not 4x");
  EXPECT_EQ(why("round-to-nearest:bits=3,bits=4"), "round-to-nearest: parameter bits is given twice");
  EXPECT_EQ(why("round-to-nearest:steps=4"), "round-to-nearest: has no parameter steps");
  EXPECT_EQ(why("round-to-nearest:4"), "round-to-nearest: parameters are KEY=NUMBER, separated by commas, not 4");
}

std::vector<float> quantised(const OwnedMatrix& m, const Baseline& baseline, const FeedbackFactor* factor = nullptr) {
  const WeightScales scales{.columns = std::vector<float>(m.matrix().columns, 1.0f)};
  const uint64_t length = baseline.chunk_length();
  return quantise_stripes({m.matrix(), scales, {}, factor, baseline}, {0, 0, (m.matrix().rows + length - 1) / length})
      .decoded;
}

// Worked out by hand: two bits, groups of three columns, and a short last group. Row 0: (-1, 0.5, 2) has step 1 and
// zero 1, so 0.5 / 1 rounds to 0 (ties to even); (3, 3) reaches from 0 to 3. Row 1: (0, 0, 0) stays; (-0.75, 0) has
// step 0.25 and zero 3.
TEST(RoundToNearest, LiteralGrids) {
  const Result<std::unique_ptr<const Baseline>> baseline = make_baseline("round-to-nearest:bits=2,group=3");
  ASSERT_TRUE(baseline.ok());
  const OwnedMatrix m("w", DType::kF32, {2, 5}, {-1, 0.5, 2, 3, 2.4f, 0, 0, 0, -0.75f, -0.3f});
  const std::vector<float> decoded = quantised(m, **baseline);
  const std::vector<float> expected{-1, 0, 2, 3, 2, 0, 0, 0, -0.75f, -0.25f};
  EXPECT_EQ(std::vector<float>(decoded.begin(), decoded.begin() + 10), expected);
  EXPECT_EQ((*baseline)->stored_bits(m.matrix()), 10 * 2 + 4 * (16 + 2));
}

TEST(RoundToNearest, ErrorsAreAtMostHalfAStepAndFeedbackLowersTheWeightedOne) {
  std::mt19937 random(1);
  const uint64_t rows = 48, columns = 96;
  const OwnedMatrix m("w", DType::kF32, {rows, columns}, testing::random_values(rows * columns, 1.0, random));
  const Result<std::unique_ptr<const Baseline>> baseline = make_baseline("round-to-nearest:bits=3,group=32");
  ASSERT_TRUE(baseline.ok());
  // Correlated inputs.
  std::vector<float> triangle;
  std::vector<double> full(columns * columns);
  for (uint64_t i = 0; i < columns; ++i) {
    for (uint64_t j = 0; j <= i; ++j) {
      triangle.push_back(static_cast<float>(std::pow(0.9, static_cast<double>(i - j))));
      full[i * columns + j] = full[j * columns + i] = triangle.back();
    }
  }
  std::vector<uint32_t> order(columns);
  for (uint32_t k = 0; k < columns; ++k) order[k] = k;
  const Result<FeedbackFactor> factor = factorise(triangle, columns, order, {}, 1);
  ASSERT_TRUE(factor.ok());
  const auto weighted_error = [&](const std::vector<float>& decoded) {
    double sum = 0;
    for (uint64_t r = 0; r < rows; ++r) {
      for (uint64_t i = 0; i < columns; ++i) {
        for (uint64_t j = 0; j < columns; ++j) {
          const auto error = [&](uint64_t k) {
            return double{decoded[r * columns + k]} - m.matrix().at(r * columns + k);
          };
          sum += error(i) * full[i * columns + j] * error(j);
        }
      }
    }
    return sum;
  };
  const std::vector<float> plain = quantised(m, **baseline);
  for (uint64_t r = 0; r < rows; ++r) {
    for (uint64_t g = 0; g < columns; g += 32) {
      float least = 0, most = 0;
      for (uint64_t k = g; k < g + 32; ++k) {
        least = std::min(least, m.matrix().at(r * columns + k));
        most = std::max(most, m.matrix().at(r * columns + k));
      }
      for (uint64_t k = g; k < g + 32; ++k)
        EXPECT_LE(std::abs(plain[r * columns + k] - m.matrix().at(r * columns + k)), (most - least) / 7 * 1.01f);
    }
  }
  EXPECT_LT(weighted_error(quantised(m, **baseline, &*factor)), 0.7 * weighted_error(plain));
}

}  // namespace
}  // namespace nwc
