// A mixture of experts. Internal to src/model: it includes LibTorch.
//
// Functions throw what LibTorch throws. Thread safety: const members may be called from several threads at once.
#pragma once

#include <vector>

#include "model/layers/mlp.h"

namespace nwc {

struct Mixture {
  Linear router;
  int64_t experts_per_token = 1;
  bool renormalise = true;
  std::vector<DenseMlp> experts;
  RouterRule rule = {};
  at::Tensor choice_bias = {};  // undefined for none
  std::optional<DenseMlp> shared = {};

  // x [..., in_features] to the same shape. Experts run one after another, each on the tokens routed to it; `hook` sees
  // them, not the router.
  at::Tensor forward(const at::Tensor& x, const LinearHook& hook) const;

  // The chosen experts of each token and their weights, both [tokens, experts_per_token].
  struct Choice {
    at::Tensor experts, weights;
  };
  Choice choose(const at::Tensor& tokens) const;
};

// Fused tensors are read once. Errors: those of the source, by tensor name.
Result<Mixture> load_mlp(const MixtureSpec& spec, const ParameterSource& source);

}  // namespace nwc
