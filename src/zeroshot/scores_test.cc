#include "zeroshot/scores.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace nwc {
namespace {

TaskItem item(size_t label, const std::vector<int64_t>& characters) {
  TaskItem result{.line = 1, .label = label};
  for (const int64_t n : characters) result.choices.push_back({"", "", n});
  return result;
}

TEST(ScoreItemTest, LiteralCase) {
  // -3 is the highest sum; by character -6 / 12 = -0.5 beats -3 / 2 = -1.5 and -4 / 4 = -1.
  const ItemScore score = score_item(item(0, {2, 12, 4}), {-3, -6, -4});
  EXPECT_EQ(score.choice, 0u);
  EXPECT_EQ(score.choice_norm, 1u);
  // Of equal ones the first.
  EXPECT_EQ(score_item(item(0, {1, 1, 1}), {-5, -2, -2}).choice, 1u);
}

TEST(ScoreTaskTest, AccuraciesErrorsAndPairedDifferences) {
  // The right choice is 0. The model: right, right, right, wrong; the reference: right, right, wrong, wrong.
  Task task{"t", "t.jsonl", {item(0, {1, 1}), item(0, {1, 1}), item(0, {1, 1}), item(0, {1, 1})}};
  const auto scores = [&](const std::vector<size_t>& choices) {
    std::vector<ItemScore> all;
    for (const size_t choice : choices) all.push_back({{}, choice, 1 - choice});
    return all;
  };
  const TaskScore alone = score_task(task, scores({0, 0, 0, 1}), {});
  EXPECT_EQ(alone.items, 4u);
  EXPECT_DOUBLE_EQ(alone.acc.value.mean, 0.75);
  EXPECT_DOUBLE_EQ(alone.acc_norm.value.mean, 0.25);
  // Sample variance of 1 1 1 0 is 0.25; sqrt(0.25 / 4).
  EXPECT_DOUBLE_EQ(*alone.acc.value.standard_error, 0.25);
  EXPECT_FALSE(alone.acc.difference.has_value());

  const TaskScore paired = score_task(task, scores({0, 0, 0, 1}), scores({0, 0, 1, 1}));
  EXPECT_DOUBLE_EQ(paired.acc.reference->mean, 0.5);
  EXPECT_DOUBLE_EQ(paired.acc.difference->mean, 0.25);
  // Differences 0 0 1 0: sample variance 0.25 again. Unpaired it would be sqrt(0.0625 + 1/12) = 0.38.
  EXPECT_DOUBLE_EQ(*paired.acc.difference->standard_error, 0.25);
  EXPECT_DOUBLE_EQ(paired.acc_norm.difference->mean, -0.25);
  EXPECT_DOUBLE_EQ(*paired.same_choice, 0.75);

  const TaskScore one = score_task({"u", "u.jsonl", {item(0, {1, 1})}}, scores({1}), scores({0}));
  EXPECT_FALSE(one.acc.difference->standard_error.has_value());

  const std::vector<TaskScore> both{paired, score_task(task, scores({0, 0, 0, 0}), scores({0, 0, 0, 1}))};
  const AverageScore average = average_of(both);
  EXPECT_DOUBLE_EQ(average.acc.value.mean, 0.875);
  EXPECT_DOUBLE_EQ(*average.acc.value.standard_error, 0.125);  // sqrt(0.25^2 + 0) / 2
  EXPECT_DOUBLE_EQ(average.acc.difference->mean, 0.25);
  EXPECT_DOUBLE_EQ(*average.acc.difference->standard_error, std::sqrt(2 * 0.0625) / 2);
  EXPECT_FALSE(average_of(std::vector<TaskScore>{paired, one}).acc.difference->standard_error.has_value());
}

}  // namespace
}  // namespace nwc
