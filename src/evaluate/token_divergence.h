// Divergence token by token, of one or several candidates from one reference.
#pragma once

#include <cstdint>
#include <memory>
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

// The reference's outputs of its last block for all windows, in main memory: for candidates that come one after
// another, so that the reference runs once. Its head, which would make outputs as wide as the vocabulary of them, runs
// for each candidate anew. Where they would take more than kMostBytes nothing is kept, and the reference runs beside
// each candidate. Refers to the reference and to the text's ids. Thread safety: const members may be called from
// several threads at once.
class ReferenceStates {
 public:
  static constexpr uint64_t kMostBytes = uint64_t{4} << 30;
  // Progress counts windows times the reference's blocks. Errors: as perplexity().
  static Result<ReferenceStates> compute(const CausalLm& reference, std::span<const int32_t> ids,
                                         const WindowOptions& options, const Progress& progress,
                                         uint64_t most_bytes = kMostBytes);

  // What score_tokens() finds for this candidate, to the last bit; progress and errors are its, but for the reference's
  // blocks where its outputs were kept.
  Result<TokenScores> score(const CausalLm& candidate, const Progress& progress) const;

 private:
  struct Kept;
  explicit ReferenceStates(std::shared_ptr<const Kept> kept) : kept_(std::move(kept)) {}
  std::shared_ptr<const Kept> kept_;
};

}  // namespace nwc
