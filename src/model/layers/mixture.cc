#include "model/layers/mixture.h"

#include <utility>

#include "model/parameters/once_source.h"

namespace nwc {

at::Tensor Mixture::forward(const at::Tensor& x, const InputHook& hook) const {
  const at::Tensor tokens = x.reshape({-1, x.size(-1)});
  const at::Tensor logits = router.forward(tokens, {});
  const auto [best, chosen] = torch::topk(logits, experts_per_token, -1);
  // The softmax of a subset is the softmax of all, renormalised: no need to compute the others.
  const at::Tensor shares =
      renormalise ? torch::softmax(best, -1) : torch::exp(best - torch::logsumexp(logits, -1, /*keepdim=*/true));
  at::Tensor out = torch::zeros_like(tokens);
  for (size_t i = 0; i < experts.size(); ++i) {
    const at::Tensor routed = torch::nonzero(chosen == static_cast<int64_t>(i));  // pairs (token, rank of the choice)
    if (routed.size(0) == 0) continue;
    const at::Tensor rows = routed.select(1, 0);
    const at::Tensor share = shares.index({rows, routed.select(1, 1)}).unsqueeze(1);
    const at::Tensor some = tokens.index_select(0, rows);
    const at::Tensor y = std::visit([&](const auto& expert) { return expert.forward(some, hook); }, experts[i]);
    out.index_add_(0, rows, y * share);
  }
  return out.view(x.sizes());
}

Result<Mixture> load_mlp(const MixtureSpec& spec, const ParameterSource& source) {
  const OnceSource once(source);
  NWC_ASSIGN_OR_RETURN(Linear router, Linear::load(spec.router, source));
  Mixture mixture{std::move(router), spec.experts_per_token, spec.renormalise, {}};
  for (const DenseMlpSpec& expert : spec.experts) {
    NWC_ASSIGN_OR_RETURN(DenseMlp mlp, load_mlp(expert, once));
    mixture.experts.push_back(std::move(mlp));
  }
  return mixture;
}

}  // namespace nwc
