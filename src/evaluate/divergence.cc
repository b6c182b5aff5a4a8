#include "evaluate/divergence.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "evaluate/statistics.h"
#include "evaluate/token_divergence.h"

namespace nwc {

DivergenceResult summary_of(const TokenScores& scores) {
  std::vector<double> token_kl, window_kl, window_reference_nll, window_candidate_nll;
  token_kl.reserve(scores.tokens.size());
  const auto scored = static_cast<size_t>(scores.scored());
  int64_t agreements = 0;
  for (size_t first = 0; first < scores.tokens.size(); first += scored) {
    double kl = 0, reference_nll = 0, candidate_nll = 0;
    for (size_t i = first; i < first + scored; ++i) {
      const TokenScore& score = scores.tokens[i];
      token_kl.push_back(score.kl);
      kl += score.kl;
      reference_nll += score.reference_nll;
      candidate_nll += score.candidate_nll;
      agreements += score.same_top() ? 1 : 0;
    }
    window_kl.push_back(kl / static_cast<double>(scored));
    window_reference_nll.push_back(reference_nll / static_cast<double>(scored));
    window_candidate_nll.push_back(candidate_nll / static_cast<double>(scored));
  }
  const MeanEstimate kl = mean_of(window_kl);
  DivergenceResult result;
  result.protocol = scores.protocol;
  result.context = scores.context;
  result.windows = scores.windows;
  result.positions = static_cast<int64_t>(scores.tokens.size());
  result.mean_kl = kl.mean;
  result.mean_kl_standard_error = kl.standard_error;
  result.max_kl = *std::max_element(token_kl.begin(), token_kl.end());
  result.kl_99th_percentile = quantile_of(std::move(token_kl), 0.99);
  result.top1_agreement = static_cast<double>(agreements) / static_cast<double>(result.positions);
  result.reference_perplexity = std::exp(mean_of(window_reference_nll).mean);
  result.candidate_perplexity = std::exp(mean_of(window_candidate_nll).mean);
  return result;
}

Result<DivergenceResult> divergence(const CausalLm& reference, const CausalLm& candidate, std::span<const int32_t> ids,
                                    const WindowOptions& options, const Progress& progress) {
  const CausalLm* const candidates[] = {&candidate};
  NWC_ASSIGN_OR_RETURN(const std::vector<TokenScores> scores,
                       score_tokens(reference, candidates, ids, options, progress));
  return summary_of(scores.front());
}

}  // namespace nwc
