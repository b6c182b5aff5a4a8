#include "recover/groups.h"

#include <algorithm>
#include <variant>

namespace nwc {
namespace {

using Groups = std::vector<std::vector<std::string>>;

// The layers of one expert, stage by stage.
struct ExpertStages {
  std::vector<const LinearSpec*> operator()(const PlainMlpSpec& mlp) const { return {&mlp.up, &mlp.down}; }
  std::vector<const LinearSpec*> operator()(const GatedMlpSpec& mlp) const { return {&mlp.up, &mlp.gate, &mlp.down}; }
  std::vector<const LinearSpec*> operator()(const FusedGateMlpSpec& mlp) const { return {&mlp.gate_up, &mlp.down}; }
};

// A fused tensor belongs to the layers of all experts, but is compressed once.
void add(std::vector<std::string>& group, const std::string& weight) {
  if (std::find(group.begin(), group.end(), weight) == group.end()) group.push_back(weight);
}

}  // namespace

Groups recovery_groups(const BlockSpec& block) {
  Groups groups;
  const MixtureSpec* mixture = std::get_if<MixtureSpec>(&block.mlp);
  if (mixture == nullptr) {
    for (const BlockLinear& l : linears_of(block)) groups.push_back({l.linear.weight});
    return groups;
  }
  groups.emplace_back();
  for (const BlockLinear& l : linears_of(block.attention)) groups[0].push_back(l.linear.weight);
  std::vector<DenseMlpSpec> experts = mixture->experts;
  if (mixture->shared) experts.push_back(*mixture->shared);
  for (const DenseMlpSpec& expert : experts) {
    const std::vector<const LinearSpec*> stages = std::visit(ExpertStages{}, expert);
    groups.resize(std::max(groups.size(), 1 + stages.size()));
    for (size_t s = 0; s < stages.size(); ++s) add(groups[1 + s], stages[s]->weight);
  }
  return groups;
}

std::vector<NormSpec> norms_of(const BlockSpec& block) {
  std::vector<NormSpec> norms;
  for (const std::optional<NormSpec>* norm :
       {&block.attention_path.norm, &block.mlp_path.norm, &block.attention_path.post_norm, &block.mlp_path.post_norm,
        &block.attention.q_norm, &block.attention.k_norm}) {
    if (*norm) norms.push_back(**norm);
  }
  if (const std::optional<LatentSpec>& latent = block.attention.latent) {
    norms.push_back(latent->norm);
    if (latent->q_norm) norms.push_back(*latent->q_norm);
  }
  return norms;
}

}  // namespace nwc
