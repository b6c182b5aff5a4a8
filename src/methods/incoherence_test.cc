#include "methods/incoherence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "support/method_matrix.h"

namespace nwc {
namespace {

TEST(Hadamard, MatricesOfManyOrdersAreOrthogonal) {
  for (const uint64_t n : {1, 2, 4, 12, 20, 28, 36, 44, 60}) {
    const std::vector<int8_t> h = hadamard_matrix(n);
    ASSERT_EQ(h.size(), n * n) << n;
    for (uint64_t a = 0; a < n; ++a) {
      for (uint64_t b = 0; b < n; ++b) {
        int dot = 0;
        for (uint64_t k = 0; k < n; ++k) {
          ASSERT_EQ(h[a * n + k] * h[a * n + k], 1) << n;
          dot += h[a * n + k] * h[b * n + k];
        }
        ASSERT_EQ(dot, a == b ? static_cast<int>(n) : 0) << n << ": " << a << ", " << b;
      }
    }
  }
  EXPECT_TRUE(hadamard_matrix(3).empty());
  EXPECT_TRUE(hadamard_matrix(92).empty()) << "one exists, but not by these constructions";
}

// 576 = 16 * 36, 1408 = 32 * 44, 96 = 8 * 12; 86 = 2 * 43 has no Hadamard factor, and 1 is nothing.
TEST(RandomHadamard, KeepsNormsSpreadsOnesAndHasAWayBack) {
  for (const uint64_t n : {1, 2, 64, 86, 96, 576, 1408}) {
    const RandomHadamard q(n, 5);
    std::vector<float> x(n, 0.0f);
    x[n / 3] = 1;
    q.apply(std::span<float>(x));
    double squares = 0, largest = 0;
    for (const float v : x) {
      squares += static_cast<double>(v) * v;
      largest = std::max(largest, std::abs(static_cast<double>(v)));
    }
    EXPECT_NEAR(squares, 1, 1e-5) << n;
    if (n != 86) {
      EXPECT_NEAR(largest, 1 / std::sqrt(static_cast<double>(n)), 1e-5) << n;
    }
    q.apply_transposed(std::span<float>(x));
    for (uint64_t i = 0; i < n; ++i) EXPECT_NEAR(x[i], i == n / 3 ? 1 : 0, 1e-5) << n;
  }
}

// tr(E H E^T) is the same before and after.
TEST(Incoherence, WeightsAndHessianTurnTogether) {
  const testing::MethodMatrix m(24, 96, 0.8, 7);
  const RandomHadamard outputs(24, 1), inputs(96, 2);
  std::vector<float> turned = m.weights();
  transform_matrix(turned, outputs, inputs, 2);
  Dense hessian = full_hessian(m.hessian());
  transform_hessian(hessian, inputs, 2);
  const std::vector<float> triangle = triangle_of(hessian);
  const double before = weighted_error(m.weights(), 24, m.hessian()),
               after = weighted_error(turned, 24, {triangle, 96});
  EXPECT_NEAR(after / before, 1, 1e-4);
  transform_back(turned, outputs, inputs, 2);
  EXPECT_LT(m.squared_error(turned), 1e-11);
}

}  // namespace
}  // namespace nwc
