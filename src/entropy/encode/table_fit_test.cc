#include "entropy/encode/table_fit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

#include "base/fixed_log2.h"

namespace nwc {
namespace {

// The cost in bits, from the definition.
double bits(const Histogram& histogram, const FrequencyTable& table) {
  double sum = 0;
  for (const auto& [value, n] : histogram) {
    const uint32_t symbol = table.symbols().symbol_of(value);
    double each = 12.0 - std::log2(table.frequencies[symbol]) + table.shift;
    if (symbol == table.count()) {
      const uint64_t zigzag =
          value >= 0 ? 2 * static_cast<uint64_t>(value) : 2 * static_cast<uint64_t>(-int64_t{value}) - 1;
      int bytes = 1;
      for (uint64_t rest = zigzag >> 7; rest > 0; rest >>= 7) ++bytes;
      each += 8 * bytes;
    }
    sum += static_cast<double>(n) * each;
  }
  return sum;
}

double entropy_bits(const Histogram& histogram) {
  double total = 0, sum = 0;
  for (const auto& [value, n] : histogram) total += static_cast<double>(n);
  for (const auto& [value, n] : histogram) sum -= static_cast<double>(n) * std::log2(static_cast<double>(n) / total);
  return sum;
}

FrequencyTable fitted(const Histogram& histogram) {
  FrequencyTable table = fit_table(histogram);
  const Status status = check_table(table);
  EXPECT_TRUE(status.ok()) << status.error().to_string();
  return table;
}

Histogram gaussian_histogram(double sigma, double mean, uint64_t total) {
  Histogram histogram;
  const auto cdf = [&](double x) { return 0.5 * std::erfc(-(x - mean) / sigma / std::sqrt(2.0)); };
  for (int32_t v = -40000; v <= 40000; ++v) {
    const auto n = static_cast<uint64_t>(static_cast<double>(total) * (cdf(v + 0.5) - cdf(v - 0.5)));
    if (n > 0) histogram.emplace_back(v, n);
  }
  return histogram;
}

TEST(EscapeBits, LiteralValues) {
  EXPECT_EQ(escape_bits(0), 8u);
  EXPECT_EQ(escape_bits(63), 8u);
  EXPECT_EQ(escape_bits(-64), 8u);
  EXPECT_EQ(escape_bits(64), 16u);
  EXPECT_EQ(escape_bits(-65), 16u);
  EXPECT_EQ(escape_bits(kMaxSymbolValue), 40u);
  EXPECT_EQ(escape_bits(-kMaxSymbolValue), 40u);
}

TEST(CodingCost, LiteralCase) {
  // Three of integer 0 at 1 bit, one of integer 1 at 2 bits, one escape (100) at 12 bits and 2 bytes.
  const FrequencyTable table{0, 0, {2048, 1024, 1023, 1}};
  EXPECT_EQ(coding_cost({{0, 3}, {1, 1}, {100, 1}}, table), uint64_t{3 + 2 + 12 + 16} << kCostBits);
  const FrequencyTable shifted{0, 4, {2048, 2047, 1}};
  EXPECT_EQ(coding_cost({{15, 2}}, shifted), uint64_t{2 * 5} << kCostBits);
}

TEST(FitTable, NothingGivesATableForZero) {
  const FrequencyTable expected{0, 0, {4095, 1}};
  EXPECT_EQ(fitted({}), expected);
  EXPECT_EQ(fitted({{40000, 5}, {kMaxSymbolValue, 1}}), expected) << "nothing that a table could hold";
}

TEST(FitTable, OneInteger) {
  EXPECT_EQ(fitted({{-7, 1}}), (FrequencyTable{-7, 0, {4095, 1}}));
  EXPECT_EQ(fitted({{32767, uint64_t{1} << 40}}), (FrequencyTable{32767, 0, {4095, 1}}));
  EXPECT_EQ(fitted({{-32767, 3}}), (FrequencyTable{-32767, 0, {4095, 1}}));
}

TEST(FitTable, LiteralShares) {
  EXPECT_EQ(fitted({{0, 500}, {8, 500}}), (FrequencyTable{0, 0, {2044, 1, 1, 1, 1, 1, 1, 1, 2044, 1}}));
  EXPECT_EQ(fitted({{5, 3}, {6, 1}}), (FrequencyTable{5, 0, {3071, 1024, 1}}));
}

// All frequencies of two and three symbols, with the escape at 1: no table of the same symbols costs noticeably less.
TEST(FitTable, OptimalAgainstBruteForce) {
  std::vector<double> log2_of(4097);
  for (size_t f = 1; f <= 4096; ++f) log2_of[f] = std::log2(static_cast<double>(f));
  std::mt19937 random(1);
  for (int round = 0; round < 6; ++round) {
    const uint64_t n0 = 1 + random() % (round % 2 == 0 ? 100000 : 20), n1 = 1 + random() % 1000,
                   n2 = 1 + random() % 50000;
    const Histogram histogram{{0, n0}, {1, n1}, {2, n2}};
    double best = 1e300;
    for (size_t a = 1; a <= 4093; ++a) {
      for (size_t b = 1; a + b <= 4094; ++b) {
        const double gain = static_cast<double>(n0) * log2_of[a] + static_cast<double>(n1) * log2_of[b] +
                            static_cast<double>(n2) * log2_of[4095 - a - b];
        best = std::min(best, 12.0 * static_cast<double>(n0 + n1 + n2) - gain);
      }
    }
    EXPECT_LE(bits(histogram, fitted(histogram)), best * (1 + 1e-4)) << n0 << " " << n1 << " " << n2;
  }
}

TEST(FitTable, CostIsTheEntropyForBellShapes) {
  for (const double sigma : {0.3, 1.0, 4.0, 20.0, 70.0}) {
    for (const double mean : {0.0, 0.4, -300.0}) {
      const Histogram histogram = gaussian_histogram(sigma, mean, 100'000'000);
      const double entropy = entropy_bits(histogram), cost = bits(histogram, fitted(histogram));
      EXPECT_GE(cost, entropy);
      EXPECT_LE(cost, entropy * 1.01) << sigma << " " << mean;
    }
  }
}

TEST(FitTable, WideRangesTakeRawBits) {
  const Histogram histogram = gaussian_histogram(1000, 0, 100'000'000);
  const FrequencyTable table = fitted(histogram);
  EXPECT_GE(table.shift, 4u);
  EXPECT_LE(bits(histogram, table), entropy_bits(histogram) * 1.01);
}

TEST(FitTable, SparseHugeValuesBecomeEscapes) {
  Histogram histogram = gaussian_histogram(3, 0, 1'000'000);
  histogram.insert(histogram.begin(), {-kMaxSymbolValue, 1});
  histogram.emplace_back(32000, 2);
  histogram.emplace_back(kMaxSymbolValue, 3);
  const FrequencyTable table = fitted(histogram);
  EXPECT_EQ(table.shift, 0u);
  EXPECT_LT(table.count(), 60u);
  EXPECT_EQ(table.symbols().symbol_of(32000), table.count());
  EXPECT_LE(bits(histogram, table), entropy_bits(histogram) * 1.01);
}

TEST(FitTable, IntegersAtTheBoundsOfATable) {
  Histogram flat;
  for (int32_t v = -kMaxTableValue; v <= kMaxTableValue; ++v) flat.emplace_back(v, 10);
  fitted(flat);
  Histogram ends{{-kMaxTableValue, 1000}, {kMaxTableValue, 1000}};
  fitted(ends);
  Histogram upper;
  for (int32_t v = kMaxTableValue - 999; v <= kMaxTableValue; ++v) upper.emplace_back(v, 100);
  const FrequencyTable table = fitted(upper);
  EXPECT_LE(bits(upper, table), entropy_bits(upper) * 1.10);
}

// 2000 integers of even chances in the middle of the range are 11 bits each; escapes would be 12 and more.
TEST(FitTable, FlatHistogramsCostTheirLogarithm) {
  Histogram flat;
  for (int32_t v = 100; v < 2148; ++v) flat.emplace_back(v, 50);
  EXPECT_LE(bits(flat, fitted(flat)), 2048 * 50 * 11.02);
}

// Up to the 0.1 % that a unit placed by 1 / (f + 1/2) instead of by the logarithm can cost on a histogram of a few
// integers.
TEST(FitTable, AsGoodAsAnyPlainRange) {
  std::mt19937 random(5);
  for (int round = 0; round < 100; ++round) {
    Histogram histogram;
    int32_t value = -static_cast<int32_t>(random() % 50);
    for (size_t i = 0, n = 1 + random() % 20; i < n; ++i) {
      const uint64_t most = uint64_t{1} << random() % 12;
      histogram.emplace_back(value, 1 + random() % most);
      value += 1 + static_cast<int32_t>(random() % 6);
    }
    // The whole range, shares rounded down plainly.
    const int32_t first = histogram.front().first, last = histogram.back().first;
    double total = 0;
    for (const auto& [v, n] : histogram) total += static_cast<double>(n);
    FrequencyTable plain{first, 0, std::vector<uint16_t>(static_cast<size_t>(last - first) + 2, 1)};
    uint32_t used = static_cast<uint32_t>(plain.frequencies.size());
    const double free = kFrequencyTotal - used;
    for (const auto& [v, n] : histogram) {
      const auto extra = static_cast<uint16_t>(free * static_cast<double>(n) / total);
      plain.frequencies[static_cast<size_t>(v - first)] = static_cast<uint16_t>(1 + extra);
      used += extra;
    }
    plain.frequencies[0] = static_cast<uint16_t>(plain.frequencies[0] + kFrequencyTotal - used);
    ASSERT_TRUE(check_table(plain).ok());
    EXPECT_LE(bits(histogram, fitted(histogram)), bits(histogram, plain) * (1 + 1e-3));
  }
}

TEST(FitTable, HugeCountsDoNotOverflow) {
  Histogram histogram;
  for (int32_t v = -30; v <= 30; ++v) histogram.emplace_back(v, (uint64_t{1} << 40) / 61);
  const FrequencyTable table = fitted(histogram);
  EXPECT_NEAR(std::ldexp(static_cast<double>(coding_cost(histogram, table)), -static_cast<int>(kCostBits)) /
                  bits(histogram, table),
              1.0, 1e-5);
  EXPECT_LE(bits(histogram, table), entropy_bits(histogram) * 1.01);
}

TEST(FitTable, SameHistogramSameTable) {
  const Histogram histogram = gaussian_histogram(17, 0.3, 12345678);
  EXPECT_EQ(fit_table(histogram), fit_table(Histogram(histogram)));
}

}  // namespace
}  // namespace nwc
