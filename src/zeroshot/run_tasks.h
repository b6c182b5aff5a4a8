// A language model on multiple-choice tasks without examples, as lm-evaluation-harness scores them.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "model/causal_lm.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "text/tokenizer.h"
#include "zeroshot/pair_tokens.h"
#include "zeroshot/scores.h"
#include "zeroshot/task_file.h"

namespace nwc {

// The tokens of all tasks' items, one task's after another's.
struct TaskTokens {
  std::vector<ScoredChoices> items;
  std::vector<size_t> truncated;  // of each task, the items of which tokens were cut off the front
};

// Errors: those of encode_pair() and truncate_left(), naming file and line; kInterrupted.
Result<TaskTokens> tokenise_tasks(std::span<const Task> tasks, const Tokenizer& tokenizer, const PrefixToken& prefix,
                                  int64_t max_positions, const Progress& progress);

// The scores of each task's items. Errors: those of log_likelihoods(); kNonFinite naming file and line.
Result<std::vector<std::vector<ItemScore>>> run_tasks(const CausalLm& model, std::span<const Task> tasks,
                                                      const TaskTokens& tokens, const Progress& progress);

// A JSON object per item, a line each: task, line, label, choice, choice_norm, log_likelihoods, and the latter three of
// the reference, which may be empty.
std::string item_lines(std::span<const Task> tasks, std::span<const std::vector<ItemScore>> scores,
                       std::span<const std::vector<ItemScore>> reference);

}  // namespace nwc
