// How far a model's next-token distribution is from a reference model's. KL divergence is more sensitive than
// perplexity, which can also fall when weights change at random.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "evaluate/steps.h"
#include "evaluate/token_scores.h"
#include "evaluate/windows.h"
#include "model/causal_lm.h"
#include "nwcodec/result.h"

namespace nwc {

// Over the positions of each window that predict one of its tokens that count. Float32 rounding
// leaves an uncertainty of about 1e-7 nats per position.
struct DivergenceResult {
  std::string_view protocol = "gptq";  // see PerplexityResult
  int64_t context = 0;
  int64_t windows = 0;
  int64_t positions = 0;
  double mean_kl = 0;                            // KL(reference || candidate), nats per token
  std::optional<double> mean_kl_standard_error;  // over windows; none for a single one
  double kl_99th_percentile = 0;                 // over positions
  double max_kl = 0;
  double top1_agreement = 0;        // share of positions where both models' likeliest token is the same
  double reference_perplexity = 0;  // by the protocol of perplexity()
  double candidate_perplexity = 0;
};

// Of at least one window.
DivergenceResult summary_of(const TokenScores& scores);

// That of score_tokens() (evaluate/token_divergence.h) for one candidate; progress and errors are its.
Result<DivergenceResult> divergence(const CausalLm& reference, const CausalLm& candidate, std::span<const int32_t> ids,
                                    const WindowOptions& options, const Progress& progress);

}  // namespace nwc
