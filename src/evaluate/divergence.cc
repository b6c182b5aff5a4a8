#include "evaluate/divergence.h"

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

constexpr int64_t kStateBytes = int64_t{2} << 30;  // of both models' hidden states

struct Sums {
  std::vector<double> position_kl;
  std::vector<double> window_kl, window_reference_nll, window_candidate_nll;
  int64_t agreements = 0;
};

double nll_of(const at::Tensor& log_p, const at::Tensor& targets) {
  return -log_p.gather(1, targets.unsqueeze(1)).sum(torch::kFloat64).item<double>();
}

// Scores one window; reference and candidate hidden states are [context, hidden_size].
void add_window(const Head& reference_head, const at::Tensor& reference, const Head& candidate_head,
                const at::Tensor& candidate, std::span<const int32_t> ids, int64_t slice, Sums* sums) {
  const int64_t scored = reference.size(0) - 1;
  const at::Tensor targets =
      torch::tensor(at::ArrayRef<int32_t>(ids.data() + 1, ids.size() - 1), torch::kInt64).to(reference.device());
  double kl_sum = 0, reference_nll = 0, candidate_nll = 0;
  for (int64_t begin = 0; begin < scored; begin += slice) {
    const int64_t count = std::min(slice, scored - begin);
    const at::Tensor some_targets = targets.narrow(0, begin, count);
    const at::Tensor log_p = torch::log_softmax(reference_head.forward(reference.narrow(0, begin, count)), -1);
    const at::Tensor log_q = torch::log_softmax(candidate_head.forward(candidate.narrow(0, begin, count)), -1);
    const at::Tensor kl = (log_p.exp() * (log_p - log_q)).sum(-1, /*keepdim=*/false, torch::kFloat64).cpu();
    sums->position_kl.insert(sums->position_kl.end(), kl.data_ptr<double>(), kl.data_ptr<double>() + count);
    kl_sum += kl.sum().item<double>();
    reference_nll += nll_of(log_p, some_targets);
    candidate_nll += nll_of(log_q, some_targets);
    sums->agreements += log_p.argmax(-1).eq(log_q.argmax(-1)).sum().item<int64_t>();
  }
  sums->window_kl.push_back(kl_sum / static_cast<double>(scored));
  sums->window_reference_nll.push_back(reference_nll / static_cast<double>(scored));
  sums->window_candidate_nll.push_back(candidate_nll / static_cast<double>(scored));
}

Result<Sums> compare(const CausalLm& reference, const CausalLm& candidate, const Windows& windows, Steps* steps) {
  const torch::NoGradGuard no_gradients;
  const int64_t group = windows_per_group(windows, reference.spec().hidden_size + candidate.spec().hidden_size,
                                          reference.resident() && candidate.resident(), kStateBytes);
  const int64_t slice = positions_per_slice(reference.spec());
  Sums sums;
  sums.position_kl.reserve(static_cast<size_t>(windows.count * (windows.context - 1)));
  for (int64_t first = 0; first < windows.count; first += group) {
    const int64_t count = std::min(group, windows.count - first);
    NWC_ASSIGN_OR_RETURN(std::vector<at::Tensor> of_reference, run_blocks(reference, windows, first, count, steps));
    NWC_ASSIGN_OR_RETURN(std::vector<at::Tensor> of_candidate, run_blocks(candidate, windows, first, count, steps));
    NWC_ASSIGN_OR_RETURN(const auto reference_head, reference.head());
    NWC_ASSIGN_OR_RETURN(const auto candidate_head, candidate.head());
    for (size_t batch = 0; batch < of_reference.size(); ++batch) {
      for (int64_t i = 0; i < of_reference[batch].size(0); ++i) {
        const int64_t index = static_cast<int64_t>(sums.window_kl.size());
        add_window(*reference_head, of_reference[batch].select(0, i), *candidate_head, of_candidate[batch].select(0, i),
                   windows.window(index), slice, &sums);
        if (!std::isfinite(sums.window_kl.back())) {
          return Error(ErrorCode::kNonFinite, fmt::format("the models' outputs for window {} are not finite", index));
        }
        NWC_RETURN_IF_ERROR(steps->advance(1));
      }
    }
  }
  return sums;
}

}  // namespace

Result<DivergenceResult> divergence(const CausalLm& reference, const CausalLm& candidate, std::span<const int32_t> ids,
                                    const WindowOptions& options, const Progress& progress) {
  if (reference.spec().vocab_size != candidate.spec().vocab_size) {
    return Error(ErrorCode::kMismatch, fmt::format("the reference has a vocabulary of {}, the candidate one of {}",
                                                   reference.spec().vocab_size, candidate.spec().vocab_size));
  }
  NWC_ASSIGN_OR_RETURN(const Windows windows, cut_windows(ids, reference.spec(), options));
  NWC_RETURN_IF_ERROR(cut_windows(ids, candidate.spec(), options));
  Steps steps(progress, windows.count * static_cast<int64_t>(reference.blocks() + candidate.blocks() + 1),
              "divergence");
  NWC_ASSIGN_OR_RETURN(
      Sums sums, catch_foreign("comparing two models", [&] { return compare(reference, candidate, windows, &steps); }));
  const MeanEstimate kl = mean_of(sums.window_kl);
  DivergenceResult result;
  result.context = windows.context;
  result.windows = windows.count;
  result.positions = static_cast<int64_t>(sums.position_kl.size());
  result.mean_kl = kl.mean;
  result.mean_kl_standard_error = kl.standard_error;
  result.max_kl = *std::max_element(sums.position_kl.begin(), sums.position_kl.end());
  result.kl_99th_percentile = quantile_of(std::move(sums.position_kl), 0.99);
  result.top1_agreement = static_cast<double>(sums.agreements) / static_cast<double>(result.positions);
  result.reference_perplexity = std::exp(mean_of(sums.window_reference_nll).mean);
  result.candidate_perplexity = std::exp(mean_of(sums.window_candidate_nll).mean);
  return result;
}

}  // namespace nwc
