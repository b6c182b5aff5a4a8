// Perplexity of a model on a text, by a named protocol.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "evaluate/steps.h"
#include "evaluate/windows.h"
#include "model/causal_lm.h"
#include "nwcodec/result.h"

namespace nwc {

// Numbers of different protocols must not be compared, nor those of different contexts.
struct PerplexityResult {
  // The text is one token sequence, cut into floor(tokens / context) non-overlapping windows; of each window the mean
  // negative log-likelihood of its tokens that count; the mean over windows; exp. Those are with "gptq" the tokens 2 to
  // context, with "llama.cpp" the tokens context / 2 + 2 to context (Protocol).
  std::string_view protocol = "gptq";
  int64_t context = 0;
  int64_t windows = 0;
  int64_t scored_tokens = 0;
  double mean_nll = 0;                              // nats per token
  std::optional<double> mean_nll_standard_error;    // over windows; none for a single one
  double perplexity = 0;                            // exp(mean_nll)
  std::optional<double> perplexity_standard_error;  // perplexity * mean_nll_standard_error
};

// `ids` is the whole text in one tokenizer call. Progress counts windows times (blocks + 1). Thread safety: may be
// called from several threads at once. Errors: those of cut_windows() and of loading weights; kNonFinite if the model's
// output is not finite; kInterrupted; kInternal.
Result<PerplexityResult> perplexity(const CausalLm& model, std::span<const int32_t> ids, const WindowOptions& options,
                                    const Progress& progress);

}  // namespace nwc
