#include "guide/sensitivity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "support/tiny_codec.h"

namespace nwc {
namespace {

using testing::OwnedMatrix;
using testing::random_values;

constexpr uint64_t kRows = 24, kColumns = 6;

// Independent inputs, so that the pivots are the diagonal: D_j = columns[j], r_i = rows[i], in each matrix.
StoredFisher diagonal(const std::vector<double>& columns, const std::vector<double>& rows, uint64_t matrices) {
  StoredFisher fisher{.matrices = matrices, .features = columns.size(), .output_features = rows.size()};
  for (uint64_t m = 0; m < matrices; ++m) {
    for (size_t i = 0; i < columns.size(); ++i) {
      for (size_t j = 0; j <= i; ++j) fisher.inputs.push_back(i == j ? static_cast<float>(columns[i]) : 0.0f);
    }
    for (const double r : rows) fisher.rows.push_back(static_cast<float>(r));
  }
  return fisher;
}

OwnedMatrix weights_of(uint64_t matrices) {
  std::mt19937 random(3);
  std::vector<uint64_t> shape{kRows, kColumns};
  if (matrices > 1) shape.insert(shape.begin(), matrices);
  return OwnedMatrix("w", DType::kF32, shape, random_values(matrices * kRows * kColumns, 0.02, random));
}

TensorGuide guide_of(const StoredFisher& fisher, const OwnedMatrix& weights, std::vector<int64_t> tokens,
                     const std::optional<double>& centre = {}) {
  const GuideOptions options{.steps = StepRule::kSensitivity, .ldl = {.damping = 0}};
  Result<TensorGuide> guide =
      make_sensitivity_guide(fisher, {tokens, 100}, weights.matrix(), 8, centre, options, 1, nullptr);
  EXPECT_TRUE(guide) << guide.error().to_string();
  return *std::move(guide);
}

const std::vector<double> kD{1, 4, 0.25, 9, 1, 1};
std::vector<double> rising_rows() {
  std::vector<double> rows;
  for (uint64_t i = 0; i < kRows; ++i) rows.push_back(1 + 0.5 * static_cast<double>(i));
  return rows;
}

// An error of one step costs the same in every weight: s_ij step_ij^2 = 1, with s_ij = share D_j r_i / sum r.
TEST(SensitivitySteps, EveryWeightCostsTheSame) {
  const std::vector<double> rows = rising_rows();
  double sum = 0;
  for (const double r : rows) sum += r;
  const TensorGuide guide = guide_of(diagonal(kD, rows, 1), weights_of(1), {50});
  EXPECT_TRUE(guide.levels.empty());
  ASSERT_EQ(guide.feedback.size(), 1u);
  for (uint64_t i = 0; i < kRows; ++i) {
    for (uint64_t j = 0; j < kColumns; ++j) {
      const double step = guide.column_steps[j] * guide.row_factors[i];
      EXPECT_NEAR(0.5 * kD[j] * rows[i] / sum * step * step, 1, 1e-6) << i << ", " << j;
    }
  }
}

TEST(SensitivitySteps, WhatIsHardlyFeltHasALargestStep) {
  std::vector<double> rows(kRows, 1.0), columns(kColumns, 1.0);
  rows[5] = 0;
  columns[2] = 1e-9;
  const TensorGuide guide = guide_of(diagonal(columns, rows, 1), weights_of(1), {100});
  EXPECT_NEAR(guide.row_factors[5] / guide.row_factors[4], 32, 1);
  EXPECT_NEAR(guide.column_steps[2] / guide.column_steps[1], 32, 4);
}

TEST(SensitivitySteps, ExpertsByTheirTokensDownToAFloor) {
  const OwnedMatrix weights = weights_of(4);
  StoredFisher fisher = diagonal(kD, rising_rows(), 4);
  std::fill_n(fisher.inputs.begin() + 3 * 21, 21, 0.0f);  // no token: no second moment either
  std::fill_n(fisher.rows.begin() + 3 * kRows, kRows, 0.0f);
  const TensorGuide guide = guide_of(fisher, weights, {80, 20, 40, 0});
  const auto step = [&](uint64_t m) { return guide.column_steps[m * kColumns]; };
  EXPECT_NEAR(step(1) / step(0), 2, 1e-6) << "a quarter of the tokens";
  EXPECT_NEAR(step(2) / step(0), std::sqrt(2.0), 1e-6);
  double mean = 0;  // of D
  for (const double d : kD) mean += d / kColumns;
  EXPECT_NEAR(step(3) / step(0), std::sqrt(0.8 / (0.25 * 0.35 * mean)), 1e-5)
      << "a quarter of the mean, in all columns";
}

TEST(SensitivitySteps, WithoutAnyTokenByTheSpreadOfTheWeights) {
  const OwnedMatrix weights = weights_of(1);
  const StoredFisher nothing = diagonal(std::vector<double>(kColumns, 0.0), std::vector<double>(kRows, 0.0), 1);
  const TensorGuide first = guide_of(nothing, weights, {0});
  EXPECT_TRUE(first.column_steps.empty());
  EXPECT_EQ(sum_of_spreads(weights.matrix(), first, 1)->weights, 0);
  const TensorGuide guide = guide_of(nothing, weights, {0}, -7.0);
  const SpreadSum sum = *sum_of_spreads(weights.matrix(), guide, 1);
  EXPECT_NEAR(sum.log2_spread / sum.weights, -1, 1e-9) << "one octave below the mean";
  EXPECT_EQ(guide.levels, (std::vector<uint8_t>(kColumns, kCentreLevel - 2)));
}

TEST(SensitivitySteps, LevelsAreHalfOctavesOfSpreadOverStep) {
  OwnedMatrix weights = weights_of(1);
  const StoredFisher fisher = diagonal({1, 2, 4, 0.5, 64, 1e-4}, std::vector<double>(kRows, 1.0), 1);
  const SpreadSum sum = *sum_of_spreads(weights.matrix(), guide_of(fisher, weights, {100}), 1);
  EXPECT_EQ(sum.weights, kRows * kColumns);
  const double centre = sum.log2_spread / sum.weights;
  const TensorGuide guide = guide_of(fisher, weights, {100}, centre);
  ASSERT_EQ(guide.levels.size(), kColumns);
  const SpreadSum again = *sum_of_spreads(weights.matrix(), guide, 1);
  EXPECT_NEAR(again.log2_spread / again.weights, 0, 1e-9) << "at gain 1 the mean spread is one step";
  // Columns have about one spread: four times the sensitivity is one octave, two levels.
  EXPECT_NEAR(guide.levels[2] - guide.levels[0], 2, 1);
  EXPECT_GE(guide.levels[4], guide.levels[2]);
  EXPECT_EQ(guide.levels[5], 0);
}

TEST(SensitivitySteps, FactorsOfOtherShapesAreRefused) {
  const OwnedMatrix weights = weights_of(1);
  const GuideOptions options{.steps = StepRule::kSensitivity};
  const std::vector<int64_t> tokens{1};
  const StoredFisher other = diagonal({1, 2, 3}, std::vector<double>(kRows, 1.0), 1);
  EXPECT_EQ(make_sensitivity_guide(other, {tokens, 1}, weights.matrix(), 8, {}, options, 1, nullptr).error().code(),
            ErrorCode::kMismatch);
}

}  // namespace
}  // namespace nwc
