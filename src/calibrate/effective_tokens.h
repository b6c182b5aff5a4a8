// How many tokens of equal weight tell as much as tokens of unequal weights do (Kish's effective sample size).
// Includes LibTorch: private to src/calibrate.
#pragma once

#include "libtorch/tensors.h"
#include "nwcodec/result.h"
#include "team/team.h"

namespace nwc {

// (sum w)^2 / sum w^2, where a token's weight w is |g|^2: gradients are so unequal that second moments of |g| x rest on
// a few of the tokens.
class EffectiveTokens {
 public:
  // Of some tokens, any shape.
  void add(const at::Tensor& weights);
  // What another device has seen.
  void add(const EffectiveTokens& other);
  // What all processes have seen, for the leading one; of no use to the others afterwards. Errors: those of the team.
  Status add_up(Team& team);

  // 0 if nothing was added, or zeros only.
  float count() const;

 private:
  at::Tensor sums_;  // float64 [2]: of w, of w^2 to a scale; undefined before the first
};

// Of two sets of tokens: each one's sum of weights and effective number.
float merged_effective_tokens(double sum_a, float count_a, double sum_b, float count_b);

}  // namespace nwc
