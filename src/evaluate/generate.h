// Text generation, token by token.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "evaluate/sampler.h"
#include "evaluate/steps.h"
#include "model/causal_lm.h"
#include "nwcodec/result.h"

namespace nwc {

struct GenerateOptions {
  int64_t max_new_tokens = 128;
  SamplingOptions sampling;
  // Generation ends before any of these; none: the model's own end-of-sequence tokens; an empty list: never.
  std::optional<std::vector<int32_t>> stop_ids;
  // Called with each new token as soon as it is known; may be empty.
  std::function<void(int32_t id)> on_token;
};

struct GenerateResult {
  enum class Stop {
    kEndOfSequence,  // a stop token came; it is not among `tokens`
    kMaxNewTokens,
    kContextFull,  // the model has no further positions
  };
  std::vector<int32_t> tokens;  // without the prompt
  Stop stop = Stop::kMaxNewTokens;
};

// Continues `prompt`, which needs at least one token. Keys and values are cached; a model that is not resident
// reads its blocks anew for every token. Progress counts new tokens. Thread safety: may be called from several threads
// at once. Errors: kInvalidArgument for the prompt or the options; kNonFinite; kInterrupted; kInternal; of loading
// weights.
Result<GenerateResult> generate(const CausalLm& model, std::span<const int32_t> prompt, const GenerateOptions& options,
                                const Progress& progress);

}  // namespace nwc
