// Log-likelihoods of continuations, as multiple-choice tasks ask for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "evaluate/steps.h"
#include "model/causal_lm.h"
#include "nwcodec/result.h"

namespace nwc {

// Tokens of which those from `scored_from` on are scored, each given all before it; 1 <= scored_from < tokens.size().
struct ScoredTokens {
  std::vector<int32_t> tokens;
  size_t scored_from = 1;
};

// The ways to go on that are compared with each other. What their tokens begin with in common is computed once.
using ScoredChoices = std::vector<ScoredTokens>;

// For each item and each of its choices, the sum of the log-probabilities of the scored tokens, in nats: float32 each,
// summed in binary64. Items of similar length go through the model together, packed without padding
// (SequenceLayout); results are in the order of `items` and do not depend on what else is there but for rounding. They
// are not finite where the model's output is not. Progress counts batches of items times (blocks + 1). Thread safety:
// as for_each_on_cores(). Errors: kInvalidArgument for an item without choices, scored_from out of range, more than
// max_positions + 1 tokens, or an id outside the vocabulary; of loading; kInterrupted; kInternal.
Result<std::vector<std::vector<double>>> log_likelihoods(const CausalLm& model, std::span<const ScoredChoices> items,
                                                         const Progress& progress);

}  // namespace nwc
