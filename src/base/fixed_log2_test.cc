#include "base/fixed_log2.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace nwc {
namespace {

// Never above the logarithm, and below it by at most `units` of 2^-16.
void expect_log2(uint64_t value, double units) {
  const double exact = std::log2(static_cast<long double>(value)) * 65536.0;
  const double got = static_cast<double>(fixed_log2(value));
  EXPECT_LE(got, exact + 1e-6) << value;
  EXPECT_GT(got, exact - units) << value;
}

TEST(FixedLog2, PowersOfTwoAreExact) {
  for (unsigned e = 0; e < 64; ++e) EXPECT_EQ(fixed_log2(uint64_t{1} << e), uint64_t{e} << 16) << e;
}

TEST(FixedLog2, LiteralValues) {
  EXPECT_EQ(fixed_log2(3), 103872u);     // floor(1.584962500721156 * 65536)
  EXPECT_EQ(fixed_log2(10), 217705u);    // floor(3.321928094887362 * 65536)
  EXPECT_EQ(fixed_log2(4095), 786408u);  // floor(11.99964774...  * 65536)
}

TEST(FixedLog2, EveryTableFrequencyIsWithinTwoUnits) {
  for (uint64_t f = 1; f <= 4096; ++f) expect_log2(f, 2.0);
}

TEST(FixedLog2, LargeValuesAreWithinAFewUnits) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20000; ++i) {
    const uint64_t value = random() >> (random() % 64);
    if (value > 0) expect_log2(value, 4.0);
  }
  expect_log2(~uint64_t{0}, 4.0);
}

TEST(FixedLog2, Rises) {
  for (uint64_t f = 1; f < 100000; ++f) EXPECT_LE(fixed_log2(f), fixed_log2(f + 1)) << f;
}

}  // namespace
}  // namespace nwc
