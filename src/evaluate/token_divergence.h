// Divergence token by token, of one or several candidates from one reference.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "evaluate/steps.h"
#include "evaluate/token_scores.h"
#include "evaluate/windows.h"
#include "model/causal_lm.h"
#include "nwcodec/result.h"

namespace nwc {

// Scores of each candidate, in their order. All models see the same windows, a few at a time, block by block; the
// reference computes once, however many candidates there are. Float32 rounding leaves an uncertainty of about 1e-7 nats
// per token, and of some 1e-7 of a divergence. Progress counts windows times (blocks of all models + 1). Thread safety:
// may be called from several threads at once. Precondition: at least one candidate. Errors: as perplexity(); kMismatch
// if the vocabularies differ in size.
Result<std::vector<TokenScores>> score_tokens(const CausalLm& reference, std::span<const CausalLm* const> candidates,
                                              std::span<const int32_t> ids, const WindowOptions& options,
                                              const Progress& progress);

}  // namespace nwc
