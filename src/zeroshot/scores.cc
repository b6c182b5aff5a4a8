#include "zeroshot/scores.h"

#include <algorithm>
#include <cmath>

namespace nwc {
namespace {

Accuracy accuracy_of(const Task& task, std::span<const ItemScore> scores, std::span<const ItemScore> reference,
                     size_t ItemScore::*choice) {
  std::vector<double> right, reference_right, difference;
  for (size_t i = 0; i < scores.size(); ++i) {
    right.push_back(scores[i].*choice == task.items[i].label);
    if (reference.empty()) continue;
    reference_right.push_back(reference[i].*choice == task.items[i].label);
    difference.push_back(right.back() - reference_right.back());
  }
  Accuracy accuracy{.value = mean_of(right)};
  if (!reference.empty()) accuracy.reference = mean_of(reference_right), accuracy.difference = mean_of(difference);
  return accuracy;
}

MeanEstimate average(const std::vector<MeanEstimate>& means) {
  const auto n = static_cast<double>(means.size());
  double sum = 0, squares = 0;
  bool known = true;
  for (const MeanEstimate& mean : means) {
    sum += mean.mean;
    squares += mean.standard_error.value_or(0) * mean.standard_error.value_or(0);
    known = known && mean.standard_error;
  }
  return {sum / n, known ? std::optional(std::sqrt(squares) / n) : std::nullopt};
}

Accuracy average(std::span<const TaskScore> tasks, Accuracy TaskScore::*which) {
  std::vector<MeanEstimate> values, references, differences;
  for (const TaskScore& task : tasks) {
    const Accuracy& accuracy = task.*which;
    values.push_back(accuracy.value);
    if (accuracy.reference) references.push_back(*accuracy.reference);
    if (accuracy.difference) differences.push_back(*accuracy.difference);
  }
  Accuracy result{.value = average(values)};
  if (!differences.empty()) result.reference = average(references), result.difference = average(differences);
  return result;
}

}  // namespace

ItemScore score_item(const TaskItem& item, std::vector<double> log_likelihoods) {
  std::vector<double> by_character;
  for (size_t c = 0; c < log_likelihoods.size(); ++c)
    by_character.push_back(log_likelihoods[c] / static_cast<double>(item.choices[c].characters));
  const auto best = [](const std::vector<double>& values) {
    return static_cast<size_t>(std::max_element(values.begin(), values.end()) - values.begin());
  };
  const size_t choice = best(log_likelihoods), choice_norm = best(by_character);
  return {std::move(log_likelihoods), choice, choice_norm};
}

TaskScore score_task(const Task& task, std::span<const ItemScore> scores, std::span<const ItemScore> reference) {
  TaskScore result{.task = task.name,
                   .items = scores.size(),
                   .acc = accuracy_of(task, scores, reference, &ItemScore::choice),
                   .acc_norm = accuracy_of(task, scores, reference, &ItemScore::choice_norm)};
  if (reference.empty()) return result;
  size_t same = 0;
  for (size_t i = 0; i < scores.size(); ++i) same += scores[i].choice == reference[i].choice;
  result.same_choice = static_cast<double>(same) / static_cast<double>(scores.size());
  return result;
}

AverageScore average_of(std::span<const TaskScore> tasks) {
  return {average(tasks, &TaskScore::acc), average(tasks, &TaskScore::acc_norm)};
}

}  // namespace nwc
