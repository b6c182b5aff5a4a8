#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "baselines/dct.h"
#include "baselines/hadamard.h"
#include "baselines/rotation.h"
#include "baselines/sources.h"
#include "study/moments.h"

namespace nwc {
namespace {

// A matrix whose row r is the unit vector of column r: transforms of it show their matrix.
Samples identity(uint64_t size) {
  Samples samples{"identity", size, size, std::vector<float>(size * size, 0.0f)};
  for (uint64_t i = 0; i < size; ++i) samples.values[i * size + i] = 1;
  return samples;
}

void expect_orthonormal_rows(const Samples& s) {
  for (uint64_t a = 0; a < s.rows; ++a) {
    for (uint64_t b = 0; b <= a; ++b) {
      double dot = 0;
      for (uint64_t c = 0; c < s.columns; ++c)
        dot += static_cast<double>(s.values[c * s.rows + a]) * s.values[c * s.rows + b];
      ASSERT_NEAR(dot, a == b ? 1 : 0, 1e-5) << a << ", " << b;
    }
  }
}

TEST(Hadamard, OrthonormalWhateverTheNumberOfColumns) {
  for (const uint64_t size : {1, 2, 8, 44, 64, 100}) {
    Samples s = identity(size);
    hadamard_transform(s, 3);
    expect_orthonormal_rows(s);
  }
}

TEST(Hadamard, EntriesOfABlockAreSignsOverTheRoot) {
  Samples s = identity(16);
  hadamard_transform(s, 3);
  for (const float v : s.values) EXPECT_FLOAT_EQ(std::abs(v), 0.25f);
}

TEST(Hadamard, InverseUndoesIt) {
  const Samples original = draw(Source::kLaplace, 1024 * 44, 1);
  Samples s = original;
  hadamard_transform(s, 5);
  EXPECT_GT(normalised_error(original.values, s.values), 0.5);
  inverse_hadamard_transform(s, 5);
  EXPECT_LT(normalised_error(original.values, s.values), 1e-12);
}

TEST(Hadamard, MakesWeightsGaussian) {
  Samples s = draw(Source::kLaplace, 1024 * 256, 1);
  EXPECT_GT(moments_of(s.values).excess_kurtosis, 2.5);
  hadamard_transform(s, 1);
  EXPECT_NEAR(moments_of(s.values).excess_kurtosis, 3.0 / 256, 0.05);
}

TEST(Rotation, MatrixIsOrthogonal) {
  const uint64_t n = 70;
  const std::vector<double> q = random_orthogonal(n, 1);
  for (uint64_t a = 0; a < n; ++a) {
    for (uint64_t b = 0; b <= a; ++b) {
      double dot = 0;
      for (uint64_t k = 0; k < n; ++k) dot += q[a * n + k] * q[b * n + k];
      ASSERT_NEAR(dot, a == b ? 1 : 0, 1e-12);
    }
  }
}

TEST(Rotation, KeepsNormsAcrossBlocksAndThreads) {
  Samples s = identity(300);  // a block of 256 and one of 44
  random_rotation(s, 1, 1);
  expect_orthonormal_rows(s);
  Samples again = identity(300);
  random_rotation(again, 1, 4);
  EXPECT_EQ(s.values, again.values);
}

TEST(Dct, BasisAndRemainder) {
  Samples s{"w", 5, 1, {1, 1, 1, 1, 9}};
  dct_of_chunks(s, 4);
  EXPECT_FLOAT_EQ(s.values[0], 2);
  for (int k = 1; k < 4; ++k) EXPECT_NEAR(s.values[static_cast<size_t>(k)], 0, 1e-6);
  EXPECT_EQ(s.values[4], 9);  // fills no chunk
  Samples impulse{"w", 4, 1, {1, 0, 0, 0}};
  dct_of_chunks(impulse, 4);
  EXPECT_NEAR(impulse.values[1], std::sqrt(0.5) * std::cos(std::numbers::pi / 8), 1e-6);
}

}  // namespace
}  // namespace nwc
