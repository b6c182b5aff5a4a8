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

// The most that rounding moves the logarithm of a step: a sixteenth of an octave for its column and for its row.
constexpr double kRounding = 1.0 / 8;

int column_class(const TensorGuide& guide, uint64_t column) {
  return line_class(guide.lines->column_spreads[column], guide.lines->column_steps[column]);
}

TensorGuide guide_of(const StoredFisher& fisher, const OwnedMatrix& weights, std::vector<int64_t> tokens,
                     const std::optional<double>& centre = {}) {
  const GuideOptions options{.steps = StepRule::kSensitivity, .ldl = {.damping = 0}};
  Result<TensorGuide> guide = make_sensitivity_guide(fisher, {tokens, 100}, weights.matrix(), options, 1, nullptr);
  EXPECT_TRUE(guide) << guide.error().to_string();
  if (centre) {
    EXPECT_TRUE(settle_steps(weights.matrix(), *centre, 1, *guide));
  }
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
  EXPECT_FALSE(guide.lines);
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

// Of a look-up that saw 25 of 100 tokens in 100: others count as texts hold them, and seen ones what they did.
TEST(SensitivitySteps, TokensThatCalibrationHasNotSeenCount) {
  StoredFisher lookup{.matrices = 1, .features = 2, .output_features = 100, .inputs = {4, 1, 4}};
  lookup.rows.assign(100, 0);
  for (size_t v = 0; v < 25; ++v) lookup.rows[v] = 4;
  const double share = least_token(lookup.rows, 100);
  EXPECT_GT(share, kLeastToken);
  EXPECT_LT(share, 1);
  EXPECT_LT(least_token(lookup.rows, 400), share) << "more tokens, fewer unseen";
  EXPECT_EQ(least_token(lookup.rows, 100'000'000), kLeastToken);
  EXPECT_EQ(least_token(lookup.rows, 1), 1);
  EXPECT_EQ(least_token(std::vector<float>(100, 0.5f), 100), kLeastToken) << "a head: no row is 0";
  StoredFisher raised = lookup;
  raise_rare_tokens(raised, std::vector<int64_t>{100});
  double sum = 0;
  for (const float r : raised.rows) sum += r;
  EXPECT_FLOAT_EQ(raised.rows[0], 4);
  EXPECT_FLOAT_EQ(raised.rows[99], static_cast<float>(share));
  EXPECT_NEAR(raised.inputs[0] / sum, lookup.inputs[0] / 100, 1e-6) << "a seen token counts as before";
}

TEST(SensitivitySteps, WithoutAnyTokenByTheSpreadOfTheWeights) {
  const OwnedMatrix weights = weights_of(1);
  const StoredFisher nothing = diagonal(std::vector<double>(kColumns, 0.0), std::vector<double>(kRows, 0.0), 1);
  const TensorGuide first = guide_of(nothing, weights, {0});
  EXPECT_TRUE(first.column_steps.empty());
  EXPECT_EQ(sum_of_spreads(weights.matrix(), first, 1)->weights, 0);
  const TensorGuide guide = guide_of(nothing, weights, {0}, -7.0);
  const SpreadSum spreads = *sum_of_spreads(weights.matrix(), guide, 1);
  EXPECT_NEAR(spreads.log2_spread / spreads.weights, -1, kRounding) << "one octave below the mean";
  ASSERT_TRUE(guide.lines);
  for (uint64_t j = 0; j < kColumns; ++j) EXPECT_EQ(column_class(guide, j), kCentreContext - 4);
}

// The class of a column is its spread in steps, in quarter octaves; that of a row, its spread beside the matrix's.
TEST(SensitivitySteps, ClassesAreQuarterOctavesOfSpreadOverStep) {
  const OwnedMatrix weights = weights_of(1);
  const std::vector<float> values = testing::floats_of(DType::kF32, weights.bytes());
  std::vector<double> row_fisher(kRows, 1.0);
  row_fisher[7] = 16;
  const StoredFisher fisher = diagonal({1, 2, 4, 0.5, 64, 1}, row_fisher, 1);
  const SpreadSum sum = *sum_of_spreads(weights.matrix(), guide_of(fisher, weights, {100}), 1);
  EXPECT_EQ(sum.weights, kRows * kColumns);
  const TensorGuide guide = guide_of(fisher, weights, {100}, sum.log2_spread / sum.weights);
  const SpreadSum again = *sum_of_spreads(weights.matrix(), guide, 1);
  EXPECT_NEAR(again.log2_spread / again.weights, 0, kRounding) << "at gain 1 the mean spread is one step";
  ASSERT_TRUE(guide.lines);
  const LineScales& lines = *guide.lines;
  std::vector<double> columns(kColumns), rows(kRows);
  double matrix = 0;
  for (uint64_t i = 0; i < kRows; ++i) {
    for (uint64_t j = 0; j < kColumns; ++j) {
      const double step = line_scale(1, lines.column_steps[j]) * double{line_scale(1, lines.row_steps[i])};
      const double square = std::pow(values[i * kColumns + j] / step, 2);
      columns[j] += square / kRows;
      rows[i] += square / kColumns;
      matrix += square / (kRows * kColumns);
    }
  }
  for (uint64_t j = 0; j < kColumns; ++j)
    EXPECT_EQ(column_class(guide, j), kCentreContext + std::nearbyint(2 * std::log2(columns[j]))) << j;
  for (uint64_t i = 0; i < kRows; ++i)
    EXPECT_EQ(line_class(lines.row_spreads[i], lines.row_steps[i]), std::nearbyint(2 * std::log2(rows[i] / matrix)))
        << i;
  EXPECT_EQ(lines.row_steps[8] - lines.row_steps[7], 2 * kStepsPerOctave) << "a quarter of the step";
}

TEST(SensitivitySteps, FactorsOfOtherShapesAreRefused) {
  const OwnedMatrix weights = weights_of(1);
  const GuideOptions options{.steps = StepRule::kSensitivity};
  const std::vector<int64_t> tokens{1};
  const StoredFisher other = diagonal({1, 2, 3}, std::vector<double>(kRows, 1.0), 1);
  EXPECT_EQ(make_sensitivity_guide(other, {tokens, 1}, weights.matrix(), options, 1, nullptr).error().code(),
            ErrorCode::kMismatch);
}

}  // namespace
}  // namespace nwc
