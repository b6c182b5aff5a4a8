#include "guide/block_ldl.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "quantise/feedback_kernel.h"

namespace nwc {
namespace {

// The lower triangle of A A^T / m for a random A: positive definite for m > n.
std::vector<float> random_triangle(uint64_t n, uint64_t m, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> gaussian;
  std::vector<double> a(n * m);
  for (double& v : a) v = gaussian(random);
  for (uint64_t i = 1; i < n; ++i) {
    for (uint64_t k = 0; k < m; ++k) a[i * m + k] += 0.7 * a[(i - 1) * m + k];  // neighbours are correlated
  }
  std::vector<float> triangle;
  for (uint64_t i = 0; i < n; ++i) {
    for (uint64_t j = 0; j <= i; ++j) {
      double sum = 0;
      for (uint64_t k = 0; k < m; ++k) sum += a[i * m + k] * a[j * m + k];
      triangle.push_back(static_cast<float>(sum / static_cast<double>(m)));
    }
  }
  return triangle;
}

double entry(const std::vector<float>& triangle, uint64_t i, uint64_t j) {
  const uint64_t row = std::max(i, j), column = std::min(i, j);
  return triangle[row * (row + 1) / 2 + column];
}

std::vector<uint32_t> identity_order(uint64_t n) {
  std::vector<uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  return order;
}

// L D L^T, with D from the definition (block rows of L^-1 H L^-T), must be the permuted, damped matrix; here by solving
// for D.
TEST(BlockLdl, FactorsMultiplyBackToTheMatrix) {
  const uint64_t n = 131;
  const std::vector<float> triangle = random_triangle(n, 300, 1);
  std::vector<uint32_t> order = identity_order(n);
  std::mt19937 random(2);
  for (uint64_t i = n - 1; i > 0; --i) std::swap(order[i], order[random() % (i + 1)]);
  const Result<FeedbackFactor> factor = factorise(triangle, n, order, {.damping = 0.01}, 2);
  ASSERT_TRUE(factor.ok()) << factor.error().to_string();
  double mean = 0;
  for (uint64_t i = 0; i < n; ++i) mean += entry(triangle, i, i) / static_cast<double>(n);
  for (uint64_t i = 0; i < n; ++i) {
    for (uint64_t j = 0; j <= i; ++j) {
      double sum = 0;
      for (uint64_t k = 0; k <= j; ++k) {
        const double a = k == i ? 1.0 : factor->row(k)[i], b = k == j ? 1.0 : factor->row(k)[j];
        sum += a * factor->pivots[k] * b;
      }
      EXPECT_NEAR(sum, entry(triangle, order[i], order[j]) + (i == j ? 0.01 * mean : 0.0), 1e-5);
    }
  }
}

// With blocks, L^-1 H L^-T must be zero between different blocks.
TEST(BlockLdl, BlocksDecoupleWhatRemains) {
  const uint64_t n = 37;
  const uint32_t block = 8;
  const std::vector<float> triangle = random_triangle(n, 100, 3);
  const Result<FeedbackFactor> factor =
      factorise(triangle, n, identity_order(n), {.damping = 0.0, .block_size = block}, 1);
  ASSERT_TRUE(factor.ok());
  std::vector<double> d(n * n);
  for (uint64_t i = 0; i < n; ++i) {
    for (uint64_t j = 0; j < n; ++j) d[i * n + j] = entry(triangle, i, j);
  }
  // Eliminates from the first block on: rows, then columns, less L times those of the block.
  for (uint64_t k = 0; k < n; ++k) {
    for (uint64_t j = k + 1; j < n; ++j) EXPECT_TRUE(j / block != k / block || factor->row(k)[j] == 0.0f);
  }
  for (uint64_t b = 0; b < n; b += block) {
    for (uint64_t j = b + block; j < n; ++j) {
      for (uint64_t c = 0; c < n; ++c) {
        for (uint64_t k = b; k < std::min<uint64_t>(n, b + block); ++k)
          d[j * n + c] -= factor->row(k)[j] * d[k * n + c];
      }
    }
    for (uint64_t j = b + block; j < n; ++j) {
      for (uint64_t k = b; k < std::min<uint64_t>(n, b + block); ++k) EXPECT_NEAR(d[j * n + k], 0.0, 1e-5);
    }
  }
}

TEST(BlockLdl, TheSameForAnyNumberOfThreads) {
  const std::vector<float> triangle = random_triangle(200, 500, 4);
  const FeedbackFactor one = *factorise(triangle, 200, identity_order(200), {}, 1),
                       three = *factorise(triangle, 200, identity_order(200), {}, 3);
  EXPECT_EQ(std::get<std::vector<float>>(one.coefficients), std::get<std::vector<float>>(three.coefficients));
  EXPECT_EQ(one.pivots, three.pivots);
}

TEST(BlockLdl, MoreDampingUntilItIsPositiveDefinite) {
  // Eigenvalues 4 and -2: damping by the mean of the diagonal, 1, is not enough, but 0.1 saves the mildly indefinite
  // one.
  EXPECT_EQ(factorise(std::vector<float>{1, 3, 1}, 2, identity_order(2), {}, 1).error().code(), ErrorCode::kCorrupt);
  const Result<FeedbackFactor> damped =
      factorise(std::vector<float>{1, 1.05f, 1}, 2, identity_order(2), {.damping = 0.01}, 1);
  ASSERT_TRUE(damped.ok());
  EXPECT_NEAR(damped->damping, 0.1, 1e-12);
  const Result<FeedbackFactor> zeros = factorise(std::vector<float>(6, 0.0f), 3, identity_order(3), {}, 1);
  ASSERT_TRUE(zeros.ok()) << "an expert that saw nothing";
  EXPECT_EQ(zeros->pivots[0], zeros->pivots[2]);
}

TEST(BlockLdl, RefusesNonsense) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(factorise(std::vector<float>{1, nan, 1}, 2, identity_order(2), {}, 1).error().code(),
            ErrorCode::kNonFinite);
  EXPECT_EQ(factorise(std::vector<float>{1, 0}, 2, identity_order(2), {}, 1).error().code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(factorise(std::vector<float>{1, 0, 1}, 2, identity_order(3), {}, 1).error().code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(factorise(std::vector<float>{1, 0, 1}, 2, identity_order(2), {.block_size = 129}, 1).error().code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(factorise(std::vector<float>{1, 0, 1}, 2, identity_order(2), {.damping = -1}, 1).error().code(),
            ErrorCode::kInvalidArgument);
}

TEST(InverseDiagonal, OfSmallMatrices) {
  // The inverse of [2 1; 1 2] is [2 -1; -1 2] / 3.
  const Result<std::vector<double>> d = inverse_diagonal(std::vector<float>{2, 1, 2}, 2, 0.0, 1);
  ASSERT_TRUE(d.ok());
  EXPECT_NEAR((*d)[0], 2.0 / 3, 1e-12);
  EXPECT_NEAR((*d)[1], 2.0 / 3, 1e-12);
}

TEST(FeedbackKernel, AllInstructionSetsGiveTheSameBits) {
  std::mt19937 random(5);
  std::normal_distribution<float> gaussian;
  for (const size_t n : {1u, 15u, 64u, 100u, 256u}) {
    std::vector<float> errors(40 * n), coefficients(40), start(n);
    for (std::vector<float>* v : {&errors, &coefficients, &start}) {
      for (float& x : *v) x = gaussian(random);
    }
    std::vector<float> plain = start;
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 37; j-- > 3;) {
        const float product = coefficients[j] * errors[j * n + i];
        plain[i] = plain[i] + product;
      }
    }
    for (const Isa isa : available_isas()) {
      std::vector<float> target = start;
      add_weighted_columns(errors.data(), n, coefficients.data(), 3, 37, target.data(), n, isa);
      EXPECT_EQ(target, plain) << name_of(isa) << ", " << n;
    }
  }
}

}  // namespace
}  // namespace nwc
