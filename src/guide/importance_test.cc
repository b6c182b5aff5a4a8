#include "guide/importance.h"

#include <gtest/gtest.h>

#include <cmath>

#include "guide/guide.h"

namespace nwc {
namespace {

std::string refusal(std::vector<double> shares) {
  const Status status = check_options(ImportanceOptions{.shares = std::move(shares)});
  return status ? "" : status.error().message();
}

TEST(Importance, SharesHaveARange) {
  EXPECT_EQ(refusal({}), "");
  EXPECT_EQ(refusal({0, 1}), "");
  EXPECT_EQ(refusal(std::vector<double>(7, 1.0 / 7)), "");
  for (const double share : {-0.5, -1e-300, 1.5, double{NAN}, double{INFINITY}})
    EXPECT_EQ(refusal({0.1, share}), "a share of columns must lie between 0 and 1") << share;
  EXPECT_EQ(refusal({0.5, 0.6}), "shares of columns add up to more than 1");
  EXPECT_EQ(refusal(std::vector<double>(8, 0.01)), "there are 8 shares of columns; the limit is 7");
}

TEST(Importance, LevelsBySharesFinestFirst) {
  const std::vector<double> sensitivity{5, 1, 9, 9, 0, 2, 3, 4, 8, 7};
  EXPECT_EQ(importance_levels(sensitivity, {.shares = {0.1, 0.2}}),
            (std::vector<uint8_t>{0, 0, 2, 1, 0, 0, 0, 0, 1, 0}));
  EXPECT_EQ(importance_levels(sensitivity, {.shares = {0, 1}}), std::vector<uint8_t>(10, 1));
}

TEST(Guide, OptionsOutOfRangeAreRefusedBeforeAnythingIsComputed) {
  const std::vector<float> triangle{1, 0, 1};
  const HessianView view{triangle, 2};
  for (const GuideOptions& options : {GuideOptions{.importance = {.shares = {-0.5}}},
                                      GuideOptions{.feedback = Feedback::kNone, .ldl = {.damping = -1}},
                                      GuideOptions{.feedback = Feedback::kNone, .ldl = {.block_size = 0}}}) {
    EXPECT_EQ(check_options(options).error().code(), ErrorCode::kInvalidArgument);
    const std::vector<double> rms{1, 1};
    const Result<TensorGuide> guide = make_guide({&view, 1}, 1, 2, rms, {1.0, 0.5}, options, 1);
    ASSERT_FALSE(guide);
    EXPECT_EQ(guide.error().code(), ErrorCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace nwc
