#include "study/moments.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "baselines/sources.h"

namespace nwc {
namespace {

TEST(Moments, LiteralValues) {
  // Mean 1, deviations -1 (three times) and 3: variance 3, fourth moment 21.
  const Moments m = moments_of(std::vector<float>{0, 0, 4, 0});
  EXPECT_EQ(m.count, 4u);
  EXPECT_DOUBLE_EQ(m.mean, 1);
  EXPECT_DOUBLE_EQ(m.deviation, std::sqrt(3.0));
  EXPECT_DOUBLE_EQ(m.excess_kurtosis, 21.0 / 9 - 3);
  EXPECT_DOUBLE_EQ(m.max_sigma, 3 / std::sqrt(3.0));
  EXPECT_EQ(m.share_beyond_3, 0);
}

TEST(Moments, DegenerateInputs) {
  EXPECT_EQ(moments_of({}).count, 0u);
  const Moments m = moments_of(std::vector<float>{2, 2, 2});
  EXPECT_EQ(m.mean, 2);
  EXPECT_EQ(m.deviation, 0);
  EXPECT_EQ(m.excess_kurtosis, 0);
}

// Standard errors at a million numbers: kurtosis 0.005 (Gaussian) and 0.05 (Laplace, whose eighth moment is large).
TEST(Moments, OfTheSources) {
  const Moments gaussian = moments_of(draw(Source::kGaussian, 1 << 20, 1).values);
  EXPECT_NEAR(gaussian.deviation, 1, 0.004);
  EXPECT_NEAR(gaussian.excess_kurtosis, 0, 0.03);
  EXPECT_NEAR(gaussian.share_beyond_3, 0.0027, 0.0003);
  const Moments laplace = moments_of(draw(Source::kLaplace, 1 << 20, 1).values);
  EXPECT_NEAR(laplace.deviation, 1, 0.006);
  EXPECT_NEAR(laplace.excess_kurtosis, 3, 0.25);
  EXPECT_NEAR(laplace.share_beyond_3, 0.01437, 0.0007);  // exp(-3 sqrt 2)
  const Moments student = moments_of(draw(Source::kStudentT5, 1 << 20, 1).values);
  EXPECT_NEAR(student.deviation, 1, 0.01);
  EXPECT_GT(student.excess_kurtosis, 3.5);  // 6 in expectation, with no finite variance
}

TEST(Sources, SameSeedSameNumbers) {
  EXPECT_EQ(draw(Source::kLaplace, 2048, 7).values, draw(Source::kLaplace, 2048, 7).values);
  EXPECT_NE(draw(Source::kLaplace, 2048, 7).values, draw(Source::kLaplace, 2048, 8).values);
}

}  // namespace
}  // namespace nwc
