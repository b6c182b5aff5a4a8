#include "comparison/original.h"

#include <utility>

#include "evaluate/divergence.h"
#include "evaluate/token_divergence.h"
#include "model/causal_lm.h"
#include "zeroshot/run_tasks.h"

namespace nwc {

struct Original::Results {
  CausalLm model;
  std::vector<ReferenceStates> states;  // of each text
  TaskTokens tokens;
  std::vector<std::vector<ItemScore>> scores;  // of each task's items
};

Original::Original(const ComparisonOptions& options) : options_(options) {}
Original::~Original() = default;

Status Original::prepare(const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(CausalLm model,
                       CausalLm::open(options_.model, {.threads = options_.threads, .device = options_.device}));
  auto results = std::make_unique<Results>(Results{std::move(model), {}, {}, {}});
  for (const ComparisonText& text : options_.texts) {
    NWC_ASSIGN_OR_RETURN(ReferenceStates states,
                         ReferenceStates::compute(results->model, text.ids, options_.windows, progress));
    results->states.push_back(std::move(states));
  }
  if (!options_.tasks.empty()) {
    NWC_ASSIGN_OR_RETURN(results->tokens, tokenise_tasks(options_.tasks, *options_.tokenizer, options_.prefix,
                                                         results->model.spec().max_positions, progress));
    NWC_ASSIGN_OR_RETURN(results->scores, run_tasks(results->model, options_.tasks, results->tokens, progress));
  }
  results_ = std::move(results);
  return {};
}

Status Original::measure(const std::filesystem::path& checkpoint, ComparisonPoint& point, const Progress& progress) {
  if (options_.texts.empty() && options_.tasks.empty()) return {};
  if (results_ == nullptr) NWC_RETURN_IF_ERROR(prepare(progress));
  NWC_ASSIGN_OR_RETURN(const CausalLm candidate,
                       CausalLm::open(checkpoint, {.threads = options_.threads, .device = options_.device}));
  for (size_t i = 0; i < options_.texts.size(); ++i) {
    NWC_ASSIGN_OR_RETURN(const TokenScores scores, results_->states[i].score(candidate, progress));
    const DivergenceResult found = summary_of(scores);
    point.texts.push_back({options_.texts[i].path.filename().string(), found.mean_kl,
                           found.mean_kl_standard_error.value_or(0), found.top1_agreement, found.candidate_perplexity,
                           found.reference_perplexity});
  }
  if (options_.tasks.empty()) return {};
  NWC_ASSIGN_OR_RETURN(const std::vector<std::vector<ItemScore>> scores,
                       run_tasks(candidate, options_.tasks, results_->tokens, progress));
  for (size_t t = 0; t < options_.tasks.size(); ++t)
    point.tasks.push_back(score_task(options_.tasks[t], scores[t], results_->scores[t]));
  return {};
}

}  // namespace nwc
