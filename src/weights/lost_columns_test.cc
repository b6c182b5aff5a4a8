#include "weights/lost_columns.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "support/encoded_tensors.h"
#include "weights/normalisation.h"

namespace nwc {
namespace {

using testing::OwnedMatrix;
using testing::random_values;

constexpr uint64_t kRows = 128, kColumns = 48;

std::optional<LostColumns> lost_in(const OwnedMatrix& m) {
  const Result<std::vector<double>> rms = column_rms(m.matrix(), {}, 1);
  if (!rms) throw std::runtime_error(rms.error().to_string());
  return find_lost_columns(m.matrix(), *rms);
}
std::optional<LostColumns> lost_in(const std::vector<float>& values) {
  return lost_in(OwnedMatrix("w", DType::kF32, {kRows, kColumns}, values));
}
std::vector<float> ordinary(float magnitude = 0.02f) {
  std::mt19937 random(1);
  return random_values(kRows * kColumns, magnitude, random);
}

TEST(LostColumns, OneGarbageWeightIsFoundAndNamed) {
  for (const float garbage : {1e5f, 1e9f, -1e12f, 1e15f, 1e18f, -1e30f}) {
    std::vector<float> values = ordinary();
    values[7 * kColumns + 9] = garbage;
    const std::optional<LostColumns> lost = lost_in(values);
    ASSERT_TRUE(lost) << garbage;
    // Up to about 1e8 the column scales still share an exponent: the weight ruins its own column only.
    EXPECT_EQ(lost->columns, std::abs(garbage) > 1e8f ? kColumns : 1) << garbage;
    EXPECT_EQ(lost->of, kColumns);
    EXPECT_EQ(lost->largest, garbage);
    EXPECT_EQ(lost->line, 7u);
    EXPECT_EQ(lost->place, 9u);
    EXPECT_NEAR(lost->typical, 0.02 * 0.6745, 0.002) << "the median of a Gaussian's magnitudes";
  }
}

TEST(LostColumns, MessagesSayWhere) {
  LostColumns lost{.columns = 47, .of = 48, .typical = 0.0135, .largest = 1e15f, .matrix = 2, .line = 7, .place = 9};
  EXPECT_EQ(describe(lost),
            "weight [7, 9] is 1e+15 where most are near 0.0135; 47 of 48 columns would be lost beside it");
  lost.dimensions = 3;
  EXPECT_EQ(describe(lost).substr(0, 16), "weight [2, 7, 9]");
}

TEST(LostColumns, PlacesAreThoseOfTheStoredTensor) {
  // [matrices, inputs, outputs], as a transposed tensor is stored.
  std::mt19937 random(2);
  std::vector<float> values = random_values(3 * 40 * 64, 0.02, random);
  values[2 * 40 * 64 + 11 * 64 + 5] = 1e20f;
  const OwnedMatrix m("w", DType::kBF16, {3, 40, 64}, values, /*transposed=*/true);
  const std::optional<LostColumns> lost = lost_in(m);
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->columns, 3 * 40u);
  EXPECT_EQ(lost->matrix, 2u);
  EXPECT_EQ(lost->line, 11u);
  EXPECT_EQ(lost->place, 5u);
}

TEST(LostColumns, UninitialisedRowsAndHugeColumns) {
  std::vector<float> row = ordinary(), column = ordinary();
  for (uint64_t c = 0; c < kColumns; ++c) row[5 * kColumns + c] *= 1e12f;
  for (uint64_t r = 0; r < kRows; ++r) column[r * kColumns + 5] *= 1e12f;
  ASSERT_TRUE(lost_in(row));
  EXPECT_EQ(lost_in(row)->columns, kColumns);
  ASSERT_TRUE(lost_in(column));
  EXPECT_EQ(lost_in(column)->columns, kColumns - 1) << "the huge column itself would survive";
}

TEST(LostColumns, OrdinaryTensorsOfAllMagnitudesAreFine) {
  for (const float magnitude : {1e-41f, 1e-30f, 0.02f, 1e4f, 1e37f}) EXPECT_FALSE(lost_in(ordinary(magnitude)));
  EXPECT_FALSE(lost_in(std::vector<float>(kRows * kColumns, 0.0f)));
  EXPECT_FALSE(lost_in(std::vector<float>(kRows * kColumns, -0.3f)));
  EXPECT_FALSE(lost_in(OwnedMatrix("w", DType::kF32, {0, 0}, {})));
}

TEST(LostColumns, OutliersOfTrainedModelsAreFine) {
  std::vector<float> values = ordinary();
  values[7 * kColumns + 9] = 10;                                           // five hundred times the others
  for (uint64_t r = 0; r < kRows; ++r) values[r * kColumns + 20] *= 1000;  // an input of large weights
  for (uint64_t c = 0; c < kColumns; ++c) values[3 * kColumns + c] *= 50;
  EXPECT_FALSE(lost_in(values));
}

TEST(LostColumns, InputsThatTrainingSwitchedOffAreNoLoss) {
  std::vector<float> values = ordinary();
  for (uint64_t r = 0; r < kRows; ++r) {
    for (uint64_t c = 0; c < kColumns / 3; ++c) values[r * kColumns + c] *= 1e-25f;
  }
  EXPECT_FALSE(lost_in(values));
}

TEST(LostColumns, SparseColumnsAreFine) {
  std::vector<float> values(kRows * kColumns, 0.0f);
  for (uint64_t i = 0; i < values.size(); i += 97) values[i] = 0.5f;  // a weight or two in each column
  EXPECT_FALSE(lost_in(values));
}

}  // namespace
}  // namespace nwc
