#include "evaluate/perplexity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "evaluate/sequence_pass.h"
#include "evaluate/statistics.h"
#include "libtorch/foreign.h"
#include "libtorch/tensors.h"

namespace nwc {
namespace {

// The mean negative log-likelihood of what counts of one window; hidden is [context, hidden_size].
double window_nll(const Head& head, const at::Tensor& hidden, const Windows& windows, int64_t index, int64_t slice) {
  const std::span<const int32_t> tokens = windows.scored(index);
  const at::Tensor targets =
      torch::tensor(at::ArrayRef<int32_t>(tokens.data(), tokens.size()), torch::kInt64).to(hidden.device());
  double sum = 0;
  for (int64_t begin = 0; begin < windows.scored(); begin += slice) {
    const int64_t count = std::min(slice, windows.scored() - begin);
    const at::Tensor logits = head.forward(hidden.narrow(0, windows.first_position() + begin, count));
    const at::Tensor of_targets = logits.gather(1, targets.narrow(0, begin, count).unsqueeze(1)).squeeze(1);
    sum += (torch::logsumexp(logits, -1) - of_targets).sum(torch::kFloat64).item<double>();
  }
  return sum / static_cast<double>(windows.scored());
}

Result<std::vector<double>> nll_of_windows(const CausalLm& model, const Windows& windows, Steps* steps) {
  const int64_t slice = positions_per_slice(model.spec());
  const WindowGroups groups = groups_of(windows, model.spec().hidden_size, model.resident());
  std::vector<double> nll(static_cast<size_t>(windows.count));
  for (int64_t first = 0; first < windows.count; first += groups.windows) {
    const int64_t count = std::min(groups.windows, windows.count - first);
    NWC_ASSIGN_OR_RETURN(const std::vector<at::Tensor> outputs,
                         run_blocks(model, windows.batches(first, count, groups.rows), steps));
    NWC_ASSIGN_OR_RETURN(const auto head, model.head());
    const auto score = [&](size_t i) -> Status {
      const auto at = static_cast<int64_t>(i);
      double& mean = nll[static_cast<size_t>(first + at)];
      mean = window_nll(*head, outputs[i / static_cast<size_t>(groups.rows)].select(0, at % groups.rows), windows,
                        first + at, slice);
      if (!std::isfinite(mean)) {
        return Error(ErrorCode::kNonFinite, fmt::format("the model's output for window {} is not finite", first + at));
      }
      return steps->advance(1);
    };
    NWC_RETURN_IF_ERROR(
        score_each(static_cast<size_t>(count), outputs[0].is_cpu(), 2 * slice * model.spec().vocab_size, score));
  }
  return nll;
}

}  // namespace

Result<PerplexityResult> perplexity(const CausalLm& model, std::span<const int32_t> ids, const WindowOptions& options,
                                    const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(const Windows windows, cut_windows(ids, model.spec(), options));
  Steps steps(progress, windows.count * static_cast<int64_t>(model.blocks() + 1), "perplexity");
  NWC_ASSIGN_OR_RETURN(const std::vector<double> nll,
                       catch_foreign("computing perplexity", [&] { return nll_of_windows(model, windows, &steps); }));
  const MeanEstimate estimate = mean_of(nll);
  PerplexityResult result;
  result.protocol = name_of(options.protocol);
  result.context = windows.context;
  result.windows = windows.count;
  result.scored_tokens = windows.count * windows.scored();
  result.mean_nll = estimate.mean;
  result.mean_nll_standard_error = estimate.standard_error;
  result.perplexity = std::exp(estimate.mean);
  if (estimate.standard_error) result.perplexity_standard_error = result.perplexity * *estimate.standard_error;
  return result;
}

}  // namespace nwc
