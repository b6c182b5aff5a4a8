#include "evaluate/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "evaluate/statistics.h"

namespace nwc {
namespace {

std::vector<int> histogram(const SamplingOptions& options, const std::vector<float>& logits, int draws) {
  Result<Sampler> sampler = Sampler::create(options);
  EXPECT_TRUE(sampler) << sampler.error().to_string();
  std::vector<int> counts(logits.size());
  for (int i = 0; i < draws; ++i) ++counts[*sampler->next(logits)];
  return counts;
}

TEST(SamplerTest, GreedyTakesTheFirstOfTheLikeliest) {
  EXPECT_EQ(histogram({}, {1, 3, 2, 3}, 10), (std::vector<int>{0, 10, 0, 0}));
}

TEST(SamplerTest, FrequenciesFollowTheSoftmax) {
  // Probabilities 1/10, 2/10, 7/10; with temperature 1/2 they are squared: 1/54, 4/54, 49/54.
  const std::vector<float> logits{0, std::log(2.0f), std::log(7.0f)};
  const int draws = 54000;
  const std::vector<int> warm = histogram({1, 0, 5}, logits, draws);
  EXPECT_NEAR(warm[0], 5400, 300);
  EXPECT_NEAR(warm[1], 10800, 400);
  EXPECT_NEAR(warm[2], 37800, 500);
  const std::vector<int> cool = histogram({0.5, 0, 5}, logits, draws);
  EXPECT_NEAR(cool[0], 1000, 150);
  EXPECT_NEAR(cool[1], 4000, 300);
}

TEST(SamplerTest, TopKLeavesOutTheRest) {
  // Of the two zeros the lower index counts as likelier.
  const std::vector<int> counts = histogram({1, 2, 9}, {0, -1, 0.5, 0}, 2000);
  EXPECT_EQ(counts[1], 0);
  EXPECT_EQ(counts[3], 0);
  EXPECT_NEAR(counts[0], 2000 * 0.3775, 100);
  EXPECT_EQ(histogram({1, 1, 9}, {0, -1, 0.5, 0}, 50), (std::vector<int>{0, 0, 50, 0}));
  const std::vector<int> all = histogram({1, 100, 9}, {0, 0}, 2000);
  EXPECT_NEAR(all[0], 1000, 100);
}

TEST(SamplerTest, TheSeedDecides) {
  const std::vector<float> logits(50);
  const auto draw = [&](uint64_t seed) {
    Result<Sampler> sampler = Sampler::create({1, 0, seed});
    std::vector<int32_t> ids;
    for (int i = 0; i < 8; ++i) ids.push_back(*sampler->next(logits));
    return ids;
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
  // mt19937_64's first value for its default seed is 14514284786278117030, a share of 0.78682 of 50 tokens.
  EXPECT_EQ(draw(5489)[0], 39);
}

TEST(SamplerTest, RefusesBadOptionsAndLogits) {
  EXPECT_EQ(Sampler::create({-1, 0, 0}).error().message(), "the temperature is -1; it must be 0 or more");
  EXPECT_EQ(Sampler::create({std::numeric_limits<double>::infinity(), 0, 0}).error().code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(Sampler::create({1, -2, 0}).error().message(), "top_k is -2; it must be 0 or more");
  Result<Sampler> sampler = Sampler::create({});
  const std::vector<float> logits{0, std::numeric_limits<float>::quiet_NaN()};
  EXPECT_EQ(sampler->next(logits).error().code(), ErrorCode::kNonFinite);
}

TEST(StatisticsTest, MeanAndItsError) {
  const std::vector<double> samples{1, 2, 3, 6};
  EXPECT_DOUBLE_EQ(mean_of(samples).mean, 3);
  // Squared deviations 4 + 1 + 0 + 9 = 14; 14 / 3 / 4.
  EXPECT_DOUBLE_EQ(*mean_of(samples).standard_error, std::sqrt(14.0 / 12));
  EXPECT_FALSE(mean_of(std::vector<double>{5}).standard_error.has_value());
}

TEST(StatisticsTest, Quantiles) {
  EXPECT_EQ(quantile_of({4, 1, 3, 2}, 0), 1);
  EXPECT_EQ(quantile_of({4, 1, 3, 2}, 1), 4);
  EXPECT_DOUBLE_EQ(quantile_of({4, 1, 3, 2}, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile_of({0, 10, 20}, 0.9), 18);
  EXPECT_EQ(quantile_of({7}, 0.99), 7);
}

}  // namespace
}  // namespace nwc
