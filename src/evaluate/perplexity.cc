#include "evaluate/perplexity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "evaluate/statistics.h"
#include "evaluate/window_pass.h"
#include "libtorch/foreign.h"
#include "libtorch/tensors.h"

namespace nwc {
namespace {

constexpr int64_t kStateBytes = int64_t{2} << 30;  // of hidden states

// The mean negative log-likelihood of tokens 2 to context of one window; hidden is [context, hidden_size].
double window_nll(const Head& head, const at::Tensor& hidden, std::span<const int32_t> ids, int64_t slice) {
  const int64_t scored = hidden.size(0) - 1;
  const at::Tensor targets =
      torch::tensor(at::ArrayRef<int32_t>(ids.data() + 1, ids.size() - 1), torch::kInt64).to(hidden.device());
  double sum = 0;
  for (int64_t begin = 0; begin < scored; begin += slice) {
    const int64_t count = std::min(slice, scored - begin);
    const at::Tensor log_p = torch::log_softmax(head.forward(hidden.narrow(0, begin, count)), -1);
    sum -= log_p.gather(1, targets.narrow(0, begin, count).unsqueeze(1)).sum(torch::kFloat64).item<double>();
  }
  return sum / static_cast<double>(scored);
}

Result<std::vector<double>> nll_of_windows(const CausalLm& model, const Windows& windows, Steps* steps) {
  const torch::NoGradGuard no_gradients;
  const int64_t group = windows_per_group(windows, model.spec().hidden_size, model.resident(), kStateBytes);
  const int64_t slice = positions_per_slice(model.spec());
  std::vector<double> nll;
  for (int64_t first = 0; first < windows.count; first += group) {
    NWC_ASSIGN_OR_RETURN(std::vector<at::Tensor> batches,
                         run_blocks(model, windows, first, std::min(group, windows.count - first), steps));
    NWC_ASSIGN_OR_RETURN(const auto head, model.head());
    for (const at::Tensor& batch : batches) {
      for (int64_t i = 0; i < batch.size(0); ++i) {
        const int64_t index = static_cast<int64_t>(nll.size());
        nll.push_back(window_nll(*head, batch.select(0, i), windows.window(index), slice));
        if (!std::isfinite(nll.back())) {
          return Error(ErrorCode::kNonFinite, fmt::format("the model's output for window {} is not finite", index));
        }
        NWC_RETURN_IF_ERROR(steps->advance(1));
      }
    }
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
  result.context = windows.context;
  result.windows = windows.count;
  result.scored_tokens = windows.count * (windows.context - 1);
  result.mean_nll = estimate.mean;
  result.mean_nll_standard_error = estimate.standard_error;
  result.perplexity = std::exp(estimate.mean);
  if (estimate.standard_error) result.perplexity_standard_error = result.perplexity * *estimate.standard_error;
  return result;
}

}  // namespace nwc
