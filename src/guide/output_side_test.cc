#include "guide/output_side.h"

#include <gtest/gtest.h>

#include "guide/sensitivity.h"
#include "support/tiny_codec.h"

namespace nwc {
namespace {

using testing::OwnedMatrix;

// [[4, 2], [2, 8]], of which half beside the diagonal counts: [[4, 1], [1, 8]] = M A M^T with M[1][0] = 1/4 and A = 4,
// 8 - 1/16 * 4.
TEST(OutputSide, IsShrunkTowardsItsDiagonal) {
  const std::vector<float> triangle{4, 2, 8};
  const FeedbackFactor factor = *factorise_output_side(triangle, 2, 0.5, {.damping = 0}, 1, nullptr);
  EXPECT_EQ(factor.order, (std::vector<uint32_t>{0, 1}));
  EXPECT_FLOAT_EQ(factor.row(0)[1], 0.25f);
  EXPECT_DOUBLE_EQ(factor.pivots[0], 4);
  EXPECT_DOUBLE_EQ(factor.pivots[1], 7.75);
}

// Rows go one by one whatever the columns do.
TEST(OutputSide, HasNoBlocks) {
  const std::vector<float> triangle{4, 2, 8};
  const FeedbackFactor factor = *factorise_output_side(triangle, 2, 0, {.damping = 0, .block_size = 2}, 1, nullptr);
  EXPECT_EQ(factor.block_size, 1u);
  EXPECT_FLOAT_EQ(factor.row(0)[1], 0.5f);
}

TEST(OutputSide, OfFewTokensIsHardlyMoreThanItsDiagonal) {
  EXPECT_DOUBLE_EQ(shrinkage_of_few(100, 0), 1);
  EXPECT_DOUBLE_EQ(shrinkage_of_few(100, 100), 0.5);
  EXPECT_NEAR(shrinkage_of_few(576, 393216), 0.0015, 1e-4);
}

StoredFisher fisher_of(std::vector<float> outputs) {
  return {.matrices = 1,
          .features = 2,
          .output_features = 3,
          .inputs = {1, 0, 9},
          .rows = {outputs[0], outputs[2], outputs[5]},
          .outputs = outputs};
}

TensorGuide guide_of(const StoredFisher& fisher, Feedback feedback) {
  const OwnedMatrix weights("w", DType::kF32, {3, 2}, {1, -2, 0.5, 3, -1, 2});
  const std::vector<int64_t> tokens{int64_t{1} << 40};
  GuideOptions options{.steps = StepRule::kSensitivity, .feedback = feedback, .row_shrinkage = 0};
  options.ldl.damping = 0;
  Result<TensorGuide> guide =
      make_sensitivity_guide(fisher, {tokens, tokens[0]}, weights.matrix(), options, 1, nullptr);
  EXPECT_TRUE(guide) << guide.error().to_string();
  return *std::move(guide);
}

// With s_ij = D_j A_i / sum r: what rows below make up for costs less, and has larger steps.
TEST(OutputSide, StepsFollowThePivotsOfBothSides) {
  const StoredFisher fisher = fisher_of({4, 2, 8, 0, 0, 6});
  const TensorGuide guide = guide_of(fisher, Feedback::kTwoSided);
  ASSERT_EQ(guide.row_feedback.size(), 1u);
  const double d[] = {1, 9}, a[] = {4, 7, 6};
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 2; ++j) {
      const double step = guide.column_steps[j] * guide.row_factors[i];
      EXPECT_NEAR(d[j] * a[i] / 18 * step * step, 1, 1e-6) << i << ", " << j;
    }
  }
}

TEST(OutputSide, IsLeftAloneByFeedbackAlongColumnsAndWhereItWasNotKept) {
  const TensorGuide columns = guide_of(fisher_of({4, 2, 8, 0, 0, 6}), Feedback::kColumns),
                    diagonal = guide_of(fisher_of({4, 0, 8, 0, 0, 6}), Feedback::kTwoSided);
  EXPECT_TRUE(columns.row_feedback.empty());
  EXPECT_EQ(columns.row_factors, diagonal.row_factors);
  StoredFisher expert = fisher_of({4, 2, 8, 0, 0, 6});
  expert.outputs.clear();
  const TensorGuide without = guide_of(expert, Feedback::kTwoSided);
  EXPECT_TRUE(without.row_feedback.empty());
  EXPECT_EQ(without.row_factors, columns.row_factors);
  EXPECT_EQ(without.feedback.size(), 1u);
}

}  // namespace
}  // namespace nwc
