// Accuracies on multiple-choice tasks, from log-likelihoods, and how far two models differ on the same items.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "evaluate/statistics.h"
#include "zeroshot/task_file.h"

namespace nwc {

// What a model chose of an item: the choice of the highest log-likelihood, of equal ones the first.
struct ItemScore {
  std::vector<double> log_likelihoods;  // of each choice
  size_t choice = 0;
  size_t choice_norm = 0;  // by log-likelihood divided by TaskChoice::characters
};
ItemScore score_item(const TaskItem& item, std::vector<double> log_likelihoods);

// A share of items, in [0, 1]; the error is sqrt(sample variance / items), as lm-evaluation-harness's. With a reference
// also its share, and the difference (model - reference), whose error is that of the mean of the items' differences:
// both models answer the same questions, so that it is much smaller than either's.
struct Accuracy {
  MeanEstimate value;
  std::optional<MeanEstimate> reference, difference;
};

struct TaskScore {
  std::string task;
  size_t items = 0;
  Accuracy acc, acc_norm;
  std::optional<double>
      same_choice;  // with a reference: the share of items where both choose the same, by acc's choice
};

// `reference` is empty or as long as `scores`, which is not empty and holds the score of each item.
TaskScore score_task(const Task& task, std::span<const ItemScore> scores, std::span<const ItemScore> reference);

// The unweighted mean over tasks; errors are those of the tasks, taken as independent: sqrt(sum of squares) / tasks,
// none if a task has none. Either all tasks have a reference or none. `tasks` is not empty.
struct AverageScore {
  Accuracy acc, acc_norm;
};
AverageScore average_of(std::span<const TaskScore> tasks);

}  // namespace nwc
