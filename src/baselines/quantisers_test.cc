// Scalar and vector quantisers, and limits, against published figures.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>

#include "baselines/ecsq.h"
#include "baselines/lloyd_max.h"
#include "baselines/random_permutation_code.h"
#include "baselines/shannon.h"
#include "baselines/sources.h"
#include "baselines/vector_quantizer.h"

namespace nwc {
namespace {

// The quantiles of a Gaussian: a sample without chance.
const SortedSource& gaussian() {
  static const SortedSource source = [] {
    constexpr int kCount = 1 << 16;
    std::vector<float> values;
    for (int i = 0; i < kCount; ++i) values.push_back(static_cast<float>(gaussian_quantile((i + 0.5) / kCount)));
    return SortedSource(values);
  }();
  return source;
}

const Samples& laplace() {
  static const Samples samples = draw(Source::kLaplace, 1 << 20, 1);
  return samples;
}

TEST(GaussianQuantile, LiteralValues) {
  EXPECT_NEAR(gaussian_quantile(0.5), 0, 1e-12);
  EXPECT_NEAR(gaussian_quantile(0.975), 1.959963984540054, 1e-11);
  EXPECT_NEAR(gaussian_quantile(1e-6), -4.753424308822899, 1e-9);
}

TEST(SortedSource, BelowAgreesWithCounting) {
  std::mt19937_64 random(1);
  std::vector<float> values;
  for (int i = 0; i < 1000; ++i) values.push_back(static_cast<float>(random() % 50));
  const SortedSource source(values);
  for (int threshold = -1; threshold < 52; ++threshold) {
    const auto expected = static_cast<uint64_t>(
        std::count_if(values.begin(), values.end(), [&](float v) { return v < static_cast<float>(threshold); }));
    for (const uint64_t known : {uint64_t{0}, expected / 2, expected})
      EXPECT_EQ(source.below(threshold, known), expected);
  }
  EXPECT_EQ(source.below(INFINITY), 1000u);
}

// Max 1960, Table I.
TEST(LloydMax, GaussianAgainstPublishedValues) {
  EXPECT_NEAR(lloyd_max(gaussian(), 1).point.nmse, 0.3634, 0.0004);
  EXPECT_NEAR(lloyd_max(gaussian(), 2).point.nmse, 0.1175, 0.0003);
  EXPECT_NEAR(lloyd_max(gaussian(), 3).point.nmse, 0.03454, 0.0002);
  EXPECT_NEAR(lloyd_max(gaussian(), 4).point.nmse, 0.009497, 0.00006);
  const ScalarCodebook two = lloyd_max(gaussian(), 2);
  ASSERT_EQ(two.levels.size(), 4u);
  EXPECT_NEAR(two.levels[2], 0.4528, 0.002);
  EXPECT_NEAR(two.levels[3], 1.510, 0.003);
}

// Paez and Glisson 1972: 0.5, 0.1762, 0.0545.
TEST(LloydMax, LaplaceAgainstPublishedValues) {
  const SortedSource source(laplace().values);
  EXPECT_NEAR(lloyd_max(source, 1).point.nmse, 0.5, 0.003);
  EXPECT_NEAR(lloyd_max(source, 2).point.nmse, 0.1762, 0.002);
  EXPECT_NEAR(lloyd_max(source, 3).point.nmse, 0.0545, 0.001);
}

// The levels are the best there are: by trying all cells of a small source, and against Panter and Dite's formula
// (1951), (integral of the density's cube root)^3 / 12 / levels^2, on tails where Lloyd's iteration from quantiles ends
// 7 dB worse.
TEST(LloydMax, TryingAllCells) {
  std::mt19937_64 random(1);
  for (int trial = 0; trial < 20; ++trial) {
    std::vector<float> values;
    for (int i = 0; i < 14; ++i)
      values.push_back(static_cast<float>(std::pow(static_cast<double>(random() % 1000) / 100, 2)));
    const SortedSource source(values);
    double least = INFINITY;
    for (uint64_t a = 1; a < 12; ++a) {
      for (uint64_t b = a + 1; b < 13; ++b) {
        for (uint64_t c = b + 1; c < 14; ++c) {
          double error = 0;
          for (const auto& [begin, end] : {std::pair<uint64_t, uint64_t>{0, a}, {a, b}, {b, c}, {c, 14}}) {
            error += source.error(begin, end, source.sum(begin, end) / static_cast<double>(end - begin));
          }
          least = std::min(least, error);
        }
      }
    }
    EXPECT_NEAR(lloyd_max(source, 2).point.nmse, least / 14 / source.power(), 1e-9);
  }
}

TEST(LloydMax, ReachesHeavyTails) {
  Samples drawn = draw(Source::kGaussian, 1 << 20, 3);
  for (size_t i = 0; i < drawn.values.size(); i += 200) drawn.values[i] *= 30;
  const SortedSource source(drawn.values);
  double integral = 0;
  const double step = 0.01;
  for (double x = -200; x < 200; x += step) {
    const double density =
        (0.995 * std::exp(-x * x / 2) + 0.005 * std::exp(-x * x / 1800) / 30) / std::sqrt(2 * std::numbers::pi);
    integral += std::cbrt(density) * step;
  }
  const double expected = integral * integral * integral / 12 / 4096 / source.power();
  EXPECT_NEAR(decibels(lloyd_max(source, 6).point.nmse / expected), 0, 0.5);
}

TEST(Ecsq, UniformCellsByHand) {
  // Step 1: cells 0 (0.2, -0.4), 1 (0.6, 1.0) and 3 (3.0).
  const SortedSource source(std::vector<float>{0.2f, -0.4f, 0.6f, 1.0f, 3.0f});
  const RatePoint point = uniform_quantiser(source, 1, Reconstruction::kMidpoint);
  EXPECT_NEAR(point.bits, 0.8 * std::log2(2.5) + 0.2 * std::log2(5), 1e-12);
  EXPECT_NEAR(point.nmse, (0.04 + 0.16 + 0.16) / (0.04 + 0.16 + 0.36 + 1 + 9), 1e-6);
  EXPECT_NEAR(uniform_quantiser(source, 1, Reconstruction::kCentroid).nmse, (2 * 0.09 + 2 * 0.04) / 10.56, 1e-6);
}

// Gish and Pierce 1968: 10 log10(pi e / 6) = 1.533 dB at high rate. At finite rates the entropy is that of the source
// plus uniform noise of one step, which for a Gaussian adds step^2 / (24 ln 2) bits: 0.024 dB at 4 bits.
TEST(Ecsq, GapApproachesGishAndPierce) {
  const double limit = decibels(std::numbers::pi * std::numbers::e / 6);
  const UniformFit four = fit_uniform(gaussian(), 4, Reconstruction::kMidpoint);
  EXPECT_NEAR(four.point.bits, 4, 1e-5);
  EXPECT_NEAR(gap_decibels(four.point), limit + four.step * four.step / (24 * std::numbers::ln2) * decibels(4), 0.003);
  EXPECT_NEAR(four.step * four.step / 12, four.point.nmse, 0.001 * four.point.nmse);
  EXPECT_NEAR(gap_decibels(fit_uniform(gaussian(), 6, Reconstruction::kMidpoint).point), limit, 0.004);
}

TEST(Ecsq, OptimalIsNoWorseThanUniformAtEqualBits) {
  for (const double bits : {0.5, 1.0, 2.0, 4.0}) {
    const RatePoint best = optimal_ecsq(gaussian(), bits);
    EXPECT_NEAR(best.bits, bits, 0.02);
    EXPECT_LE(best.nmse, fit_uniform(gaussian(), best.bits, Reconstruction::kCentroid).point.nmse * 1.0005) << bits;
  }
  // The three cells (-t, t), beyond and below have 1 bit for t = 1.208 and an error of 0.34826 by the error function;
  // more cells gain 0.001 dB.
  EXPECT_NEAR(optimal_ecsq(gaussian(), 1).nmse, 0.34826, 0.0008);
}

TEST(Shannon, EntropiesOfTheSources) {
  EXPECT_NEAR(differential_entropy(Source::kGaussian), 2.0471, 1e-4);
  EXPECT_NEAR(differential_entropy(Source::kLaplace), 1.9427, 1e-4);
  EXPECT_NEAR(differential_entropy(Source::kStudentT5), 1.9795, 2e-2);
  EXPECT_NEAR(decibels(shannon_bound(differential_entropy(Source::kGaussian), 1, 3).nmse), -18.0618, 1e-4);
}

TEST(Shannon, EstimateAgreesWithTheFormula) {
  const Samples drawn = draw(Source::kGaussian, 1 << 20, 1);
  EXPECT_NEAR(*estimated_entropy(SortedSource(drawn.values)), differential_entropy(Source::kGaussian), 0.004);
  EXPECT_NEAR(*estimated_entropy(SortedSource(laplace().values)), differential_entropy(Source::kLaplace), 0.005);
  const Samples student = draw(Source::kStudentT5, 1 << 19, 1);
  EXPECT_NEAR(*estimated_entropy(SortedSource(student.values)), differential_entropy(Source::kStudentT5), 0.006);
  EXPECT_FALSE(estimated_entropy(SortedSource(std::vector<float>(1000, 0.5f))).has_value());
}

TEST(NearestPoint, AgreesWithTryingAll) {
  std::mt19937_64 random(1);
  const auto number = [&] { return static_cast<float>(random() % 1000) / 100; };
  std::vector<Pair> points;
  for (int i = 0; i < 200; ++i) points.push_back({number(), number()});
  const NearestPoint nearest(points);
  for (int i = 0; i < 500; ++i) {
    const Pair query{number(), number()};
    float least = INFINITY, found = 0;
    for (const Pair& p : points)
      least = std::min(least, (p[0] - query[0]) * (p[0] - query[0]) + (p[1] - query[1]) * (p[1] - query[1]));
    (void)nearest.find(query, &found);
    EXPECT_EQ(found, least);
  }
}

TEST(VectorQuantizer, BeatsTheScalarOneAndKeepsItsBound) {
  const Samples samples = draw(Source::kGaussian, 1 << 17, 1);
  const SortedSource sorted(samples.values);
  for (const unsigned bits : {1u, 2u, 3u}) {
    const RatePoint vq = vector_quantizer(samples.values, bits, 1, 2);
    EXPECT_EQ(vq.bits, bits);
    EXPECT_LT(vq.nmse, lloyd_max(sorted, bits).point.nmse * 1.001) << bits;
    EXPECT_GT(gap_decibels(vq), 0.5) << bits;
    EXPECT_EQ(vq.nmse, vector_quantizer(samples.values, bits, 1, 1).nmse);
  }
}

TEST(VectorQuantizer, FewerPairsThanPoints) {
  EXPECT_EQ(vector_quantizer(std::vector<float>{1, 2, 3, 4}, 2, 1, 1).nmse, 0);
}

TEST(VectorQuantizer, RatesThatTheSamplesCannotJudge) {
  EXPECT_EQ(largest_vector_bits(2 << 20), 6u);
  EXPECT_EQ(largest_vector_bits(2 * 64 * 4096), 6u);
  EXPECT_EQ(largest_vector_bits(2 * 64 * 4096 - 2), 5u);
  EXPECT_EQ(largest_vector_bits(100), 0u);
}

}  // namespace
}  // namespace nwc
