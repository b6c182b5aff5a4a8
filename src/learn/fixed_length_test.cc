#include "learn/fixed_length.h"

#include <gtest/gtest.h>

#include <cmath>

namespace nwc {
namespace {

// On nearly Gaussian weights a scalar quantiser comes near Lloyd-Max's errors (0.1175 and 0.0345 at 2 and 3 bits),
// pairs do better, and an entropy-coded quantiser beats both at its rate.
TEST(FixedLength, EntropyCodingWinsOnRealWeights) {
  FixedLengthOptions options;
  options.train.models = {std::string(NWC_SOURCE_DIR) + "/models/demo"};
  options.train.analysis = {64, 1}, options.train.synthesis = {16, 1};
  options.train.steps = 200, options.train.batch = 1024, options.train.max_chunks = 60000, options.train.threads = 1;
  options.bits = {2, 3};
  options.lambdas = {60};
  const Result<std::vector<FixedLengthPoint>> points = run_fixed_length_study(options, {});
  ASSERT_TRUE(points.ok()) << points.error().to_string();
  ASSERT_EQ(points->size(), 5u);
  const auto& p = *points;
  EXPECT_LT(p[0].nmse, 0.130);
  EXPECT_LT(p[1].nmse, 0.042);
  EXPECT_LT(p[2].nmse, p[0].nmse);
  EXPECT_LT(p[3].nmse, p[1].nmse);
  EXPECT_EQ(p[4].method, "entropy");
  // The vector quantiser's error at the entropy-coded rate, between its two points on a logarithmic scale.
  const double at = (p[4].bits - 2) * std::log(p[3].nmse) + (3 - p[4].bits) * std::log(p[2].nmse);
  EXPECT_LT(std::log(p[4].nmse), at);
}

TEST(FixedLength, RefusesWhatItCannotTrain) {
  FixedLengthOptions options;
  options.train.models = {std::string(NWC_SOURCE_DIR) + "/models/demo"};
  options.bits = {9};
  EXPECT_EQ(run_fixed_length_study(options, {}).error().code(), ErrorCode::kInvalidArgument);
  options.bits = {2};
  options.train.latents = 15;
  EXPECT_EQ(run_fixed_length_study(options, {}).error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace nwc
