#include "evaluate/divergence.h"

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

// Rows of logits that a core takes through the following passes together, so that they stay in its second-level cache.
constexpr int64_t kLogitsInCache = int64_t{1} << 17;

// Sums over the scored positions of one window, and each of their divergences.
struct WindowSums {
  std::vector<double> position_kl;
  double kl = 0, reference_nll = 0, candidate_nll = 0;
  int64_t agreements = 0;
};

// Adds some positions; the logits are [positions, vocabulary], and are overwritten.
void add_positions(at::Tensor p, at::Tensor q, const at::Tensor& targets, WindowSums* sums) {
  sums->agreements += p.argmax(-1).eq(q.argmax(-1)).sum().item<int64_t>();
  p.sub_(torch::logsumexp(p, -1, /*keepdim=*/true));
  q.sub_(torch::logsumexp(q, -1, /*keepdim=*/true));
  sums->reference_nll -= p.gather(1, targets).sum(torch::kFloat64).item<double>();
  sums->candidate_nll -= q.gather(1, targets).sum(torch::kFloat64).item<double>();
  q.neg_().add_(p);
  const at::Tensor kl = p.exp_().mul_(q).sum(-1, /*keepdim=*/false, torch::kFloat64).cpu();
  sums->position_kl.insert(sums->position_kl.end(), kl.data_ptr<double>(), kl.data_ptr<double>() + kl.numel());
  sums->kl += kl.sum().item<double>();
}

// Hidden states are [context, hidden_size].
WindowSums sums_of(const Head& reference_head, const at::Tensor& reference, const Head& candidate_head,
                   const at::Tensor& candidate, const Windows& windows, int64_t index, int64_t slice) {
  const std::span<const int32_t> tokens = windows.scored(index);
  const at::Tensor targets = torch::tensor(at::ArrayRef<int32_t>(tokens.data(), tokens.size()), torch::kInt64)
                                 .to(reference.device())
                                 .unsqueeze(1);
  WindowSums sums;
  for (int64_t begin = 0; begin < windows.scored(); begin += slice) {
    const int64_t count = std::min(slice, windows.scored() - begin), first = windows.first_position() + begin;
    const at::Tensor p = reference_head.forward(reference.narrow(0, first, count));
    const at::Tensor q = candidate_head.forward(candidate.narrow(0, first, count));
    const int64_t step = p.is_cpu() ? std::max<int64_t>(1, kLogitsInCache / p.size(1)) : count;
    for (int64_t at = 0; at < count; at += step) {
      const int64_t some = std::min(step, count - at);
      add_positions(p.narrow(0, at, some), q.narrow(0, at, some), targets.narrow(0, begin + at, some), &sums);
    }
  }
  return sums;
}

// Of each window.
Result<std::vector<WindowSums>> compare(const CausalLm& reference, const CausalLm& candidate, const Windows& windows,
                                        Steps* steps) {
  const WindowGroups groups = groups_of(windows, reference.spec().hidden_size + candidate.spec().hidden_size,
                                        reference.resident() && candidate.resident());
  const int64_t slice = positions_per_slice(reference.spec());
  std::vector<WindowSums> sums(static_cast<size_t>(windows.count));
  for (int64_t first = 0; first < windows.count; first += groups.windows) {
    const int64_t count = std::min(groups.windows, windows.count - first);
    const std::vector<SequenceBatch> batches = windows.batches(first, count, groups.rows);
    NWC_ASSIGN_OR_RETURN(const std::vector<at::Tensor> of_reference, run_blocks(reference, batches, steps));
    NWC_ASSIGN_OR_RETURN(const std::vector<at::Tensor> of_candidate, run_blocks(candidate, batches, steps));
    NWC_ASSIGN_OR_RETURN(const auto reference_head, reference.head());
    NWC_ASSIGN_OR_RETURN(const auto candidate_head, candidate.head());
    const auto score = [&](size_t i) -> Status {
      const int64_t at = static_cast<int64_t>(i), row = at % groups.rows;
      const size_t batch = i / static_cast<size_t>(groups.rows);
      WindowSums& of_window = sums[static_cast<size_t>(first + at)];
      of_window = sums_of(*reference_head, of_reference[batch].select(0, row), *candidate_head,
                          of_candidate[batch].select(0, row), windows, first + at, slice);
      if (!std::isfinite(of_window.kl)) {
        return Error(ErrorCode::kNonFinite,
                     fmt::format("the models' outputs for window {} are not finite", first + at));
      }
      return steps->advance(1);
    };
    NWC_RETURN_IF_ERROR(score_each(static_cast<size_t>(count), of_reference[0].is_cpu(),
                                   3 * slice * reference.spec().vocab_size, score));
  }
  return sums;
}

MeanEstimate mean_of_windows(const std::vector<WindowSums>& sums, double WindowSums::*sum, int64_t scored) {
  std::vector<double> means;
  for (const WindowSums& window : sums) means.push_back(window.*sum / static_cast<double>(scored));
  return mean_of(means);
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
  NWC_ASSIGN_OR_RETURN(const std::vector<WindowSums> sums, catch_foreign("comparing two models", [&] {
                         return compare(reference, candidate, windows, &steps);
                       }));
  std::vector<double> position_kl;
  int64_t agreements = 0;
  for (const WindowSums& window : sums) {
    position_kl.insert(position_kl.end(), window.position_kl.begin(), window.position_kl.end());
    agreements += window.agreements;
  }
  const MeanEstimate kl = mean_of_windows(sums, &WindowSums::kl, windows.scored());
  DivergenceResult result;
  result.protocol = name_of(options.protocol);
  result.context = windows.context;
  result.windows = windows.count;
  result.positions = std::ssize(position_kl);
  result.mean_kl = kl.mean;
  result.mean_kl_standard_error = kl.standard_error;
  result.max_kl = *std::max_element(position_kl.begin(), position_kl.end());
  result.kl_99th_percentile = quantile_of(std::move(position_kl), 0.99);
  result.top1_agreement = static_cast<double>(agreements) / static_cast<double>(result.positions);
  result.reference_perplexity = std::exp(mean_of_windows(sums, &WindowSums::reference_nll, windows.scored()).mean);
  result.candidate_perplexity = std::exp(mean_of_windows(sums, &WindowSums::candidate_nll, windows.scored()).mean);
  return result;
}

}  // namespace nwc
