#include "zeroshot/run_tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/json.h"
#include "zeroshot/json_lines.h"

namespace nwc {
namespace {

Result<ScoredChoices> tokenise(const TaskItem& item, const Tokenizer& tokenizer, const PrefixToken& prefix,
                               int64_t max_positions, bool* truncated) {
  ScoredChoices choices;
  for (const TaskChoice& choice : item.choices) {
    NWC_ASSIGN_OR_RETURN(ScoredTokens scored, encode_pair(tokenizer, prefix, choice.context, choice.continuation));
    NWC_ASSIGN_OR_RETURN(const int64_t cut, truncate_left(scored, max_positions));
    *truncated = *truncated || cut > 0;
    choices.push_back(std::move(scored));
  }
  return choices;
}

}  // namespace

Result<TaskTokens> tokenise_tasks(std::span<const Task> tasks, const Tokenizer& tokenizer, const PrefixToken& prefix,
                                  int64_t max_positions, const Progress& progress) {
  TaskTokens tokens;
  for (const Task& task : tasks) {
    size_t cut_items = 0;
    for (const TaskItem& item : task.items) {
      NWC_RETURN_IF_ERROR(progress.check_stop());
      bool truncated = false;
      Result<ScoredChoices> choices = tokenise(item, tokenizer, prefix, max_positions, &truncated);
      if (!choices) return error_in_line(task.file, item.line, choices.error());
      tokens.items.push_back(*std::move(choices));
      cut_items += truncated;
    }
    tokens.truncated.push_back(cut_items);
  }
  return tokens;
}

Result<std::vector<std::vector<ItemScore>>> run_tasks(const CausalLm& model, std::span<const Task> tasks,
                                                      const TaskTokens& tokens, const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(std::vector<std::vector<double>> sums, log_likelihoods(model, tokens.items, progress));
  std::vector<std::vector<ItemScore>> scores;
  size_t next = 0;
  for (const Task& task : tasks) {
    std::vector<ItemScore>& of_task = scores.emplace_back();
    for (const TaskItem& item : task.items) {
      std::vector<double>& values = sums[next++];
      if (!std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); })) {
        return error_in_line(task.file, item.line,
                             Error(ErrorCode::kNonFinite, "the model's output for this item is not finite"));
      }
      of_task.push_back(score_item(item, std::move(values)));
    }
  }
  return scores;
}

std::string item_lines(std::span<const Task> tasks, std::span<const std::vector<ItemScore>> scores,
                       std::span<const std::vector<ItemScore>> reference) {
  std::string text;
  for (size_t t = 0; t < tasks.size(); ++t) {
    for (size_t i = 0; i < tasks[t].items.size(); ++i) {
      const TaskItem& item = tasks[t].items[i];
      const ItemScore& score = scores[t][i];
      Json line = {{"task", tasks[t].name},
                   {"line", item.line},
                   {"label", item.label},
                   {"choice", score.choice},
                   {"choice_norm", score.choice_norm},
                   {"log_likelihoods", score.log_likelihoods}};
      if (!reference.empty()) {
        line["reference_choice"] = reference[t][i].choice;
        line["reference_choice_norm"] = reference[t][i].choice_norm;
        line["reference_log_likelihoods"] = reference[t][i].log_likelihoods;
      }
      text += line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    }
  }
  return text;
}

}  // namespace nwc
