#include "quantise/two_sided_feedback.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "codec/encode/plain_codec.h"
#include "format/context_rule.h"
#include "guide/output_side.h"
#include "quantise/rate_aware_quantiser.h"
#include "support/tiny_codec.h"

namespace nwc {
namespace {

using testing::OwnedMatrix;
using testing::random_values;

// Two blocks of rows and three of columns, none of them full.
constexpr uint64_t kRows = 101, kColumns = 137;

// Strongly correlated neighbours of different weight: [n, n], and its lower triangle.
struct Moments {
  std::vector<double> full;
  std::vector<float> triangle;
};
Moments moments_of(uint64_t n, double correlation, uint32_t seed) {
  std::mt19937 random(seed);
  const std::vector<float> scale = random_values(n, 0.4, random);
  Moments moments{std::vector<double>(n * n), {}};
  for (uint64_t i = 0; i < n; ++i) {
    for (uint64_t j = 0; j <= i; ++j) {
      const double h = std::pow(correlation, static_cast<double>(i - j)) * std::exp(scale[i] + scale[j]);
      moments.triangle.push_back(static_cast<float>(h));
      moments.full[i * n + j] = moments.full[j * n + i] = h;
    }
  }
  return moments;
}

class TwoSidedFeedback : public ::testing::Test {
 protected:
  TwoSidedFeedback() {
    for (uint64_t k = 0; k < kColumns; ++k) scales_.columns.push_back(0.4f + 0.01f * static_cast<float>(k % 9));
    for (uint64_t i = 0; i < kRows; ++i) scales_.rows.push_back(0.8f + 0.05f * static_cast<float>(i % 7));
    LineScales lines{std::vector<int16_t>(kColumns), std::vector<int16_t>(kRows), {}, {}};
    for (uint64_t k = 0; k < kColumns; ++k) lines.column_spreads.push_back(static_cast<int16_t>(64 + k % 5));
    for (uint64_t i = 0; i < kRows; ++i) lines.row_spreads.push_back(static_cast<int16_t>(i % 3));
    contexts_ = *make_scale_class_contexts(lines, kColumns, kRows, {8, 16, 16});
    std::vector<uint32_t> order(kColumns);
    for (uint32_t p = 0; p < kColumns; ++p) order[p] = (p * 31 + 7) % kColumns;
    columns_ = *factorise(inputs_.triangle, kColumns, order, {.damping = 0}, 1);
    rows_ = *factorise_output_side(outputs_.triangle, kRows, 0.0, {.damping = 0}, 1, nullptr);
  }

  QuantisedStripes two_sided(const FeedbackFactor& rows, int threads) const {
    return quantise_two_sided(task(), rows, *quantiser_.one_by_one(), 0, threads);
  }
  StripeTask task() const { return {matrix_, scales_, {}, &columns_, quantiser_, contexts_.get()}; }
  float step(uint64_t row, uint64_t column) const { return scales_.columns[column] * scales_.rows[row]; }
  std::vector<double> errors_of(const std::vector<int32_t>& symbols) const {
    std::vector<double> errors(kRows * kColumns);
    for (uint64_t i = 0; i < kRows; ++i) {
      for (uint64_t k = 0; k < kColumns; ++k) {
        const uint64_t at = i * kColumns + k;
        errors[at] = weights_[at] - static_cast<double>(symbols[at]) * step(i, k);
      }
    }
    return errors;
  }
  // tr(G E H E^T).
  double cost_of(const std::vector<int32_t>& symbols) const {
    const std::vector<double> e = errors_of(symbols);
    std::vector<double> eh(kRows * kColumns);
    for (uint64_t i = 0; i < kRows; ++i) {
      for (uint64_t k = 0; k < kColumns; ++k) {
        for (uint64_t j = 0; j < kColumns; ++j)
          eh[i * kColumns + k] += e[i * kColumns + j] * inputs_.full[j * kColumns + k];
      }
    }
    double cost = 0;
    for (uint64_t i = 0; i < kRows; ++i) {
      for (uint64_t j = 0; j < kRows; ++j) {
        for (uint64_t k = 0; k < kColumns; ++k)
          cost += outputs_.full[i * kRows + j] * eh[j * kColumns + k] * e[i * kColumns + k];
      }
    }
    return cost;
  }

  const Moments inputs_ = moments_of(kColumns, 0.8, 1), outputs_ = moments_of(kRows, 0.7, 2);
  const std::vector<float> weights_ = random_weights();
  WeightScales scales_;
  std::shared_ptr<const StreamContexts> contexts_;
  FeedbackFactor columns_, rows_;
  const Encoder encoder_{plain_codec(64, 0.5), 5};
  const RateAwareQuantiser quantiser_{encoder_, 0.1};
  const OwnedMatrix owned_{"w", DType::kF32, {kRows, kColumns}, weights_};
  const WeightMatrix matrix_ = owned_.matrix();

 private:
  static std::vector<float> random_weights() {
    std::mt19937 random(5);
    return random_values(kRows * kColumns, 1.0, random);
  }
};

// From the formula: targets summed over all later positions and all rows below, in binary64.
TEST_F(TwoSidedFeedback, AimsAtWhatRowsAndColumnsLeftOver) {
  const std::vector<int32_t> symbols = two_sided(rows_, 1).symbols;
  std::vector<double> e(kRows * kColumns), v(kRows * kColumns);
  std::vector<Context> contexts(16);
  size_t different = 0, moved = 0;
  for (uint64_t p = kColumns; p-- > 0;) {
    const uint64_t k = columns_.order[p];
    for (uint64_t i = kRows; i-- > 0;) {
      double base = weights_[i * kColumns + k], below = 0;
      for (uint64_t q = p + 1; q < kColumns; ++q) base += e[i * kColumns + columns_.order[q]] * columns_.row(p)[q];
      for (uint64_t j = i + 1; j < kRows; ++j) below += v[j * kColumns + k] * rows_.row(i)[j];
      contexts_->of_chunk({0, 0, i / 16, static_cast<uint32_t>(k)}, contexts);
      const int32_t symbol = symbols[i * kColumns + k];
      const auto rounded = [&](double target) {
        return dynamic_cast<const RateAwareRounding&>(*quantiser_.one_by_one())(static_cast<float>(target / step(i, k)),
                                                                                contexts[i % 16]);
      };
      different += rounded(base + below) != symbol;
      moved += rounded(base) != symbol;
      const double decoded = static_cast<double>(symbol) * step(i, k);
      e[i * kColumns + k] = weights_[i * kColumns + k] - decoded;
      v[i * kColumns + k] = base - decoded;
    }
  }
  EXPECT_LE(different, 3u) << "targets within rounding errors of a decision only";
  EXPECT_GT(moved, kRows * kColumns / 20) << "rows hardly move targets: the test shows nothing";
}

TEST_F(TwoSidedFeedback, CostsLessThanFeedbackAlongColumns) {
  const QuantisedStripes columns = quantise_stripes(task(), {0, 0, 7});
  const double one_sided = cost_of(columns.symbols), both = cost_of(two_sided(rows_, 1).symbols);
  EXPECT_LT(both, 0.75 * one_sided);
}

// Rows that do not work together leave feedback along columns alone, bit for bit.
TEST_F(TwoSidedFeedback, WithoutCorrelationsIsFeedbackAlongColumns) {
  const FeedbackFactor diagonal = *factorise_output_side(outputs_.triangle, kRows, 1.0, {.damping = 0}, 1, nullptr);
  const QuantisedStripes both = two_sided(diagonal, 2), columns = quantise_stripes(task(), {0, 0, 7});
  EXPECT_EQ(both.symbols, columns.symbols);
  EXPECT_NEAR(both.squared_error, columns.squared_error, 1e-9 * columns.squared_error);
  EXPECT_NEAR(both.normalised_squared_error, columns.normalised_squared_error, 1e-9 * columns.normalised_squared_error);
  EXPECT_NEAR(both.squared_weight, columns.squared_weight, 1e-9 * columns.squared_weight);
  EXPECT_NEAR(both.weighted_error, columns.weighted_error, 1e-5 * columns.weighted_error);
}

TEST_F(TwoSidedFeedback, IsTheSameWithAnyNumberOfThreads) {
  const QuantisedStripes one = two_sided(rows_, 1), many = two_sided(rows_, 5);
  EXPECT_EQ(one.symbols, many.symbols);
  EXPECT_EQ(one.squared_error, many.squared_error);
  EXPECT_EQ(one.weighted_error, many.weighted_error);
}

}  // namespace
}  // namespace nwc
