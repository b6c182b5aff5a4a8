#include "evaluate/likelihoods.h"

#include <fmt/format.h>

#include <algorithm>

#include "evaluate/packed_items.h"
#include "evaluate/windows.h"
#include "libtorch/foreign.h"
#include "libtorch/tensors.h"

namespace nwc {
namespace {

// Rows of a batch on a GPU, which wants more of them.
constexpr int64_t kDeviceRows = 16384;

Status check_items(std::span<const ScoredChoices> items, const ModelSpec& model) {
  const auto refuse = [](size_t item, const std::string& what) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("item {} {}", item, what));
  };
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].empty()) return refuse(i, "has no choices");
    for (const ScoredTokens& choice : items[i]) {
      if (choice.scored_from < 1 || choice.scored_from >= choice.tokens.size())
        return refuse(i, fmt::format("scores from token {} of {}", choice.scored_from, choice.tokens.size()));
      if (std::ssize(choice.tokens) > model.max_positions + 1) {
        return refuse(i, fmt::format("has a choice of {} tokens, where the model was made for {}", choice.tokens.size(),
                                     model.max_positions));
      }
      NWC_RETURN_IF_ERROR(check_ids(choice.tokens, model));
    }
  }
  return {};
}

// The log-probability of each prediction, in order; hidden is [rows, hidden_size].
std::vector<double> log_probabilities(const Head& head, const at::Tensor& hidden,
                                      std::span<const Prediction> predictions, int64_t slice) {
  std::vector<double> result;
  for (size_t begin = 0; begin < predictions.size();) {
    // Of the distinct rows from here on as many as a slice holds, and which of them and which token each prediction is.
    std::vector<int64_t> rows, of_rows, tokens;
    size_t end = begin;
    for (; end < predictions.size(); ++end) {
      if (rows.empty() || rows.back() != predictions[end].row) {
        if (std::ssize(rows) == slice) break;
        rows.push_back(predictions[end].row);
      }
      of_rows.push_back(std::ssize(rows) - 1);
      tokens.push_back(predictions[end].token);
    }
    const auto on_device = [&](const std::vector<int64_t>& values) {
      return torch::tensor(values, torch::kInt64).to(hidden.device());
    };
    const at::Tensor logits = head.forward(hidden.index_select(0, on_device(rows)));
    const at::Tensor row = on_device(of_rows);
    const at::Tensor picked = logits.flatten().index_select(0, row * logits.size(1) + on_device(tokens));
    const at::Tensor values =
        (picked - torch::logsumexp(logits, -1).index_select(0, row)).to(torch::kFloat64).cpu().contiguous();
    result.insert(result.end(), values.data_ptr<double>(), values.data_ptr<double>() + values.numel());
    begin = end;
  }
  return result;
}

Status score_batches(const CausalLm& model, std::span<const PackedBatch> batches, Steps* steps,
                     std::vector<std::vector<double>>* sums) {
  std::vector<SequenceBatch> inputs;
  for (const PackedBatch& packed : batches) inputs.push_back(packed.batch);
  NWC_ASSIGN_OR_RETURN(const std::vector<at::Tensor> outputs, run_blocks(model, inputs, steps));
  NWC_ASSIGN_OR_RETURN(const auto head, model.head());
  const int64_t slice = positions_per_slice(model.spec());
  return score_each(batches.size(), outputs[0].is_cpu(), 2 * slice * model.spec().vocab_size, [&](size_t b) -> Status {
    const std::vector<Prediction>& predictions = batches[b].predictions;
    const std::vector<double> values = log_probabilities(*head, outputs[b][0], predictions, slice);
    for (size_t i = 0; i < predictions.size(); ++i)
      (*sums)[predictions[i].item][predictions[i].choice] += values[i];  // of an item in this batch alone
    return steps->advance(1);
  });
}

}  // namespace

Result<std::vector<std::vector<double>>> log_likelihoods(const CausalLm& model, std::span<const ScoredChoices> items,
                                                         const Progress& progress) {
  NWC_RETURN_IF_ERROR(check_items(items, model.spec()));
  std::vector<std::vector<double>> sums;
  for (const ScoredChoices& item : items) sums.emplace_back(item.size(), 0.0);
  if (items.empty()) return sums;
  NWC_ASSIGN_OR_RETURN(const auto embedding, model.embedding());
  PackingLimits limits{.long_from = length_of_other_angles(model.spec()).value_or(0)};
  if (!embedding->is_cpu()) limits.rows = kDeviceRows, limits.places = 4 * kDeviceRows;
  const std::vector<PackedBatch> batches = pack_items(items, limits);
  const size_t group = batches_per_group(limits.rows, model.spec().hidden_size, model.resident());
  Steps steps(progress, std::ssize(batches) * static_cast<int64_t>(model.blocks() + 1), "scoring choices");
  for (size_t first = 0; first < batches.size(); first += group) {
    const auto some = std::span(batches).subspan(first, std::min(group, batches.size() - first));
    NWC_RETURN_IF_ERROR(score_batches(model, some, &steps, &sums));
  }
  return sums;
}

}  // namespace nwc
