#include "guide/cholesky.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace nwc {
namespace {

// The textbook's loops.
bool plain_cholesky(std::vector<double>& a, uint64_t n) {
  for (uint64_t j = 0; j < n; ++j) {
    for (uint64_t i = j; i < n; ++i) {
      double sum = a[i * n + j];
      for (uint64_t k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
      if (i == j && !(sum > 0)) return false;
      a[i * n + j] = i == j ? std::sqrt(sum) : sum / a[j * n + j];
    }
  }
  return true;
}

std::vector<double> positive_definite(uint64_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> x(n * (n + 3)), a(n * n);
  for (double& v : x) v = normal(random);
  for (uint64_t i = 0; i < n; ++i) {
    for (uint64_t j = 0; j < n; ++j) {
      for (uint64_t k = 0; k < n + 3; ++k) a[i * n + j] += x[i * (n + 3) + k] * x[j * (n + 3) + k];
    }
  }
  return a;
}

TEST(Cholesky, EveryInstructionSetGivesTheBitsOfPlainLoops) {
  for (const uint64_t n : {1, 2, 7, 47, 48, 49, 55, 96, 101, 211}) {
    const std::vector<double> a = positive_definite(n, n);
    std::vector<double> plain = a;
    ASSERT_TRUE(plain_cholesky(plain, n));
    for (const Isa isa : available_isas()) {
      for (const int threads : {1, 3}) {
        std::vector<double> factor = a;
        ASSERT_TRUE(cholesky(factor, n, threads, isa));
        EXPECT_EQ(factor, plain) << n << " " << name_of(isa) << ", " << threads << " threads";
      }
    }
  }
}

TEST(Cholesky, FindsWhatIsNotPositiveDefinite) {
  for (const uint64_t wrong : {0, 30, 60, 100}) {
    std::vector<double> a = positive_definite(101, 3);
    a[wrong * 101 + wrong] = -1;
    EXPECT_FALSE(cholesky(a, 101, 1, current_isa())) << wrong;
    a[wrong * 101 + wrong] = std::nan("");
    EXPECT_FALSE(cholesky(a, 101, 1, current_isa())) << wrong;
  }
}

}  // namespace
}  // namespace nwc
