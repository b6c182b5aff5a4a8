#include "cuda/matrix/pair_code.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "codec/encode/plain_codec.h"
#include "codec/encode/trellis_codes.h"
#include "guide/sensitivity.h"

namespace nwc::cuda {
namespace {

constexpr uint32_t kSide = kMostMagnitude + 1;

// Of Gaussian integers of union `odd`, with this standard deviation of v.
Magnitudes gaussian(double sigma, bool odd) {
  const auto cdf = [&](double x) { return 0.5 * std::erfc(-x / sigma / std::sqrt(2.0)); };
  Magnitudes magnitudes{};
  for (size_t m = 0; m < kSide; ++m) {
    const double v = 2.0 * static_cast<double>(m) + odd, p = cdf(v + 1) - cdf(v - 1);
    magnitudes[m] = v == 0 ? p : 2 * p;
  }
  return magnitudes;
}

TEST(PairCode, DecodesWhatItEncodes) {
  for (const double sigma : {0.2, 1.0, 4.0, 16.0, 60.0}) {
    for (uint32_t unions = 0; unions < 4; ++unions) {
      const bool odd[] = {(unions & 1) != 0, unions >> 1 != 0};
      const PairCode code = PairCode::of(gaussian(sigma, odd[0]), gaussian(sigma, odd[1]), odd[0], odd[1]);
      uint32_t places = 0;
      for (uint32_t pair = 0; pair < kPairTable; ++pair) {
        const uint32_t entry = code.encode[pair];
        if (pair / kSide < 2 && pair % kSide < 2) {
          ASSERT_NE(entry, 0u) << sigma << " " << pair;
        }
        if (entry == 0) continue;
        const uint32_t length = entry >> kPairIndexBits, bits = entry & (kPairTable - 1);
        ASSERT_GE(length, 1u);
        ASSERT_LE(length, kPairIndexBits);
        places += kPairTable >> length;
        for (uint32_t rest = 0; rest < kPairTable >> length; ++rest) {
          const uint32_t found = code.decode[rest << length | bits];
          const bool first = pair / kSide > 0 || odd[0], second = pair % kSide > 0 || odd[1];
          ASSERT_EQ(32 - (found & 31), length + (first ? 1 : 0) + (second ? 1 : 0));
          ASSERT_EQ(found >> 5 & 31, pair / kSide);
          ASSERT_EQ(found >> 10 & 31, pair % kSide);
          ASSERT_EQ(found >> 15, first && !second ? 1u : 0u);
        }
      }
      EXPECT_LE(places, kPairTable);
      EXPECT_GT(places, kPairTable * 9 / 10);
    }
  }
}

// Corrections counted, 128 bits each of two.
TEST(PairCode, IsNearTheEntropy) {
  const auto excess = [](double sigma) {
    double bits = 0, entropy = 0;
    for (uint32_t unions = 0; unions < 4; ++unions) {
      const bool odd[] = {(unions & 1) != 0, unions >> 1 != 0};
      const Magnitudes a = gaussian(sigma, odd[0]), b = gaussian(sigma, odd[1]);
      const PairCode code = PairCode::of(a, b, odd[0], odd[1]);
      for (uint32_t pair = 0; pair < kPairTable; ++pair) {
        const double p = a[pair / kSide] * b[pair % kSide];
        if (p > 0) entropy -= p * std::log2(p) / 8;
        const uint32_t entry = code.encode[pair];
        bits += p * (entry != 0 ? entry >> kPairIndexBits : 256 + 4) / 8;
      }
    }
    return bits - entropy;
  };
  // sigma of v is twice that of what is coded.
  for (const double sigma : {2.0, 2.8, 4.0}) EXPECT_LT(excess(sigma), 0.04) << sigma;
  EXPECT_LT(excess(5.6), 0.06);
  EXPECT_LT(excess(8), 0.11);
  EXPECT_LT(excess(11), 0.2);
}

TEST(PairCode, MagnitudesOfTablesAddUpToWhatIsNoEscape) {
  const TableSet tables = trellis_codec(make_trellis(8), kCentreContext, 1).decoder.tables.set;
  ASSERT_EQ(tables.size() % 2, 0u);
  for (size_t i = 0; i < tables.size(); ++i) {
    const FrequencyTable* const table = &tables[i];
    const Magnitudes magnitudes = magnitudes_of({&table, 1}, i >= tables.size() / 2);
    const double sum = std::accumulate(magnitudes.begin(), magnitudes.end(), 0.0);
    const double escapes = static_cast<double>(table->frequencies.back()) / kFrequencyTotal;
    EXPECT_LE(sum, 1 - escapes + 1e-9);
    if (table->shift == 0 && table->count() <= 2 * kMostMagnitude) {
      EXPECT_NEAR(sum, 1 - escapes, 1e-9) << i;
    }
  }
}

// As PairPaths has it, of one weight.
TEST(PairPaths, KnowOurTrellisOfEightStates) {
  for (const unsigned states : {4u, 16u, 32u, 64u}) EXPECT_FALSE(has_pair_paths(make_trellis(states))) << states;
  Trellis trellis = make_trellis(8);
  ASSERT_TRUE(has_pair_paths(trellis));
  for (unsigned branches = 0; branches < 1u << 10; ++branches) {
    unsigned state = 0, odd = 0, odd_before = 0, odd_before_that = 0, branch_before = 0;
    for (unsigned i = 0; i < 10; ++i) {
      ASSERT_EQ(odd, Trellis::union_of(state));
      const unsigned branch = branches >> i & 1, next = odd ^ odd_before_that ^ branch_before;
      odd_before_that = odd_before, odd_before = odd, odd = next, branch_before = branch;
      state = trellis.next[state][branch];
    }
  }
  std::swap(trellis.next[3][0], trellis.next[3][1]);
  EXPECT_FALSE(has_pair_paths(trellis));
}

}  // namespace
}  // namespace nwc::cuda
