#include "methods/svd_llm.h"

#include <gtest/gtest.h>

#include <cmath>

#include "methods/dense.h"
#include "support/method_matrix.h"

namespace nwc {
namespace {

// The layer's error of W cut to a rank is what the theory says: the sum of the squares of the singular values of W S
// that were cut, whichever S with H = S S^T.
TEST(SvdLlm, LayerErrorIsTheLeastOfItsRank) {
  const testing::MethodMatrix m(40, 64, 0.8, 21);
  const Dense h = full_hessian(m.hessian());
  const Result<Dense> s = cholesky(h);
  ASSERT_TRUE(s.ok());
  const Result<Dense> ws = product(dense_of(m.weights(), 40, 64), *s);
  ASSERT_TRUE(ws.ok());
  const Result<Svd> svd = singular_values(*ws);
  ASSERT_TRUE(svd.ok());
  for (const double bits : {4.0, 8.0}) {
    const uint64_t rank = static_cast<uint64_t>(40 * 64 * bits / 16 / (40 + 64));
    double rest = 0;
    for (uint64_t k = rank; k < 40; ++k) rest += svd->s[k] * svd->s[k];
    for (const unsigned version : {1u, 2u}) {
      const Result<QuantisedMatrix> made = svd_llm(m.task(), m.hessian(), {.version = version, .kept = bits / 16});
      ASSERT_TRUE(made.ok()) << made.error().to_string();
      EXPECT_NEAR(m.layer_error(made->decoded) / rest, 1, 1e-3) << "factors are F16";
      EXPECT_EQ(made->bits, 16.0 * static_cast<double>(rank * (40 + 64)));
    }
  }
}

TEST(SvdLlm, QuantisedFactorsHaveMoreRank) {
  const testing::MethodMatrix m(48, 64, 0.8, 22);
  const Result<QuantisedMatrix> plain = svd_llm(m.task(), m.hessian(), {.kept = 0.25}),
                                quantised = svd_llm(m.task(), m.hessian(), {.factor_bits = 4, .kept = 1.0});
  ASSERT_TRUE(plain.ok() && quantised.ok());
  EXPECT_LT(m.layer_error(quantised->decoded), m.layer_error(plain->decoded));
  // Rank 27 at 4 bits: grids of the right factor's 27 rows, and of the left one's 48.
  EXPECT_EQ(quantised->bits, 4.0 * 27 * (48 + 64) + (27 + 48) * 20);
}

// Algorithm 1 of version 2, by hand: losses e^2 and e^4 of two matrices that are to lose half: the first loses
// 0.5 * 2 * (1/2) / (3/4) = 2/3, the second 1/3.
TEST(SvdLlm, MatricesThatLoseMoreAreCutLess) {
  const std::vector<double> kept = svd_llm_shares({std::exp(2.0), std::exp(4.0)}, 0.5);
  EXPECT_NEAR(kept[0], 1 - 2.0 / 3, 1e-12);
  EXPECT_NEAR(kept[1], 1 - 1.0 / 3, 1e-12);
}

}  // namespace
}  // namespace nwc
