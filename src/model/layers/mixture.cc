#include "model/layers/mixture.h"

#include <limits>
#include <tuple>
#include <utility>

#include "model/parameters/once_source.h"

namespace nwc {

namespace {

// Minus infinity for the experts of groups that lost; scores is [tokens, experts].
at::Tensor without_lost_groups(const at::Tensor& scores, const RouterRule& rule) {
  if (rule.groups == rule.chosen_groups) return scores;
  const at::Tensor groups = scores.view({scores.size(0), rule.groups, -1});
  const bool two = rule.group_score == RouterRule::GroupScore::kSumOfTwoLargest;
  const at::Tensor strength = std::get<0>(torch::topk(groups, two ? 2 : 1, -1)).sum(-1);
  const at::Tensor best = std::get<1>(torch::topk(strength, rule.chosen_groups, -1));
  const at::Tensor lost = torch::ones_like(strength, torch::kBool).scatter_(1, best, false);
  return groups.masked_fill(lost.unsqueeze(-1), -std::numeric_limits<float>::infinity()).view_as(scores);
}

}  // namespace

Mixture::Choice Mixture::choose(const at::Tensor& tokens) const {
  const at::Tensor logits = router.forward(tokens, {});
  const bool sigmoid = rule.scores == RouterRule::Scores::kSigmoid;
  // Logits order experts as their softmax does.
  const at::Tensor scores = sigmoid ? torch::sigmoid(logits) : logits;
  const at::Tensor biased = choice_bias.defined() ? scores + choice_bias : scores;
  const at::Tensor chosen = std::get<1>(torch::topk(without_lost_groups(biased, rule), experts_per_token, -1));
  const at::Tensor best = scores.gather(-1, chosen);
  at::Tensor weights;
  if (sigmoid) {
    weights = renormalise ? best / best.sum(-1, /*keepdim=*/true) : best;
  } else {
    // The softmax of a subset is the softmax of all, renormalised: no need to compute the others.
    weights = renormalise ? torch::softmax(best, -1) : torch::exp(best - torch::logsumexp(logits, -1, true));
  }
  return {chosen, rule.scale == 1 ? weights : weights * rule.scale};
}

at::Tensor Mixture::forward(const at::Tensor& x, const LinearHook& hook) const {
  const at::Tensor tokens = x.reshape({-1, x.size(-1)});
  const auto [chosen, shares] = choose(tokens);
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
  if (shared) out = out + std::visit([&](const auto& mlp) { return mlp.forward(tokens, hook); }, *shared);
  return out.view(x.sizes());
}

Result<Mixture> load_mlp(const MixtureSpec& spec, const ParameterSource& source) {
  const OnceSource once(source);
  NWC_ASSIGN_OR_RETURN(Linear router, Linear::load(spec.router, source));
  Mixture mixture{std::move(router), spec.experts_per_token, spec.renormalise, {}, spec.rule};
  NWC_ASSIGN_OR_RETURN(mixture.choice_bias, load_optional({spec.rule.choice_bias, {spec.router.out_features}}, source));
  for (const DenseMlpSpec& expert : spec.experts) {
    NWC_ASSIGN_OR_RETURN(DenseMlp mlp, load_mlp(expert, once));
    mixture.experts.push_back(std::move(mlp));
  }
  if (spec.shared) {
    NWC_ASSIGN_OR_RETURN(mixture.shared, load_mlp(*spec.shared, source));
  }
  return mixture;
}

}  // namespace nwc
