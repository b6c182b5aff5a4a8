#include "methods/residual_rotation.h"

#include <variant>

namespace nwc {
namespace {

Error unsupported(const std::string& what) {
  return Error(ErrorCode::kUnsupported, "rotations are not absorbed by a model with " + what);
}

Status check_path(const ResidualSpec& path) {
  if (!path.norm) return unsupported("blocks that read the residual stream without a norm");
  if (path.norm->kind != NormSpec::Kind::kRms) return unsupported("LayerNorm, which subtracts means");
  if (path.post_norm) return unsupported("norms behind attention or MLP");
  if (!path.scale.name.empty()) return unsupported("scales of each feature behind attention or MLP");
  return {};
}

RotatedLayer layer_of(const LinearSpec& linear, Side inputs, Side outputs, const NormSpec* norm) {
  return {linear.weight,
          linear.bias,
          static_cast<uint64_t>(linear.out_features),
          static_cast<uint64_t>(linear.in_features),
          inputs,
          outputs,
          norm};
}

struct MlpLayers {
  std::vector<const LinearSpec*> in;
  const LinearSpec* out = nullptr;
};

Result<MlpLayers> layers_of(const MlpSpec& mlp) {
  if (const auto* plain = std::get_if<PlainMlpSpec>(&mlp)) return MlpLayers{{&plain->up}, &plain->down};
  if (const auto* gated = std::get_if<GatedMlpSpec>(&mlp)) return MlpLayers{{&gated->gate, &gated->up}, &gated->down};
  if (const auto* fused = std::get_if<FusedGateMlpSpec>(&mlp)) return MlpLayers{{&fused->gate_up}, &fused->down};
  return unsupported("a mixture of experts");
}

}  // namespace

Result<RotationPlan> plan_rotation(const ModelSpec& spec) {
  RotationPlan plan;
  plan.embedding = spec.embedding;
  plan.tied = spec.head.weight == spec.embedding;
  plan.head = plan.tied ? spec.own_head : spec.head.weight;
  if (plan.head.empty()) return unsupported("a tied head that has no name of its own");
  plan.vocabulary = static_cast<uint64_t>(spec.vocab_size);
  plan.hidden = static_cast<uint64_t>(spec.hidden_size);
  if (spec.final_norm.kind != NormSpec::Kind::kRms) return unsupported("LayerNorm, which subtracts means");
  plan.final_norm = &spec.final_norm;
  plan.norms.push_back(&spec.final_norm);
  for (const BlockSpec& block : spec.blocks) {
    NWC_RETURN_IF_ERROR(check_path(block.attention_path));
    NWC_RETURN_IF_ERROR(check_path(block.mlp_path));
    const AttentionSpec& a = block.attention;
    if (a.latent) return unsupported("latent attention");
    const NormSpec *first = &*block.attention_path.norm, *second = &*block.mlp_path.norm;
    plan.norms.insert(plan.norms.end(), {first, second});
    const uint64_t head_dim = static_cast<uint64_t>(a.head_dim);
    if (plan.head_dim != 0 && plan.head_dim != head_dim) return unsupported("heads of different sizes");
    plan.head_dim = head_dim;
    if (a.qkv) {
      RotatedLayer qkv = layer_of(*a.qkv, Side::kResidual, Side::kHeads, first);
      qkv.first_row = static_cast<uint64_t>(a.heads + a.kv_heads) * head_dim;
      plan.layers.push_back(std::move(qkv));
    } else {
      plan.layers.push_back(layer_of(a.q, Side::kResidual, Side::kInside, first));
      plan.layers.push_back(layer_of(a.k, Side::kResidual, Side::kInside, first));
      plan.layers.push_back(layer_of(a.v, Side::kResidual, Side::kHeads, first));
    }
    plan.layers.push_back(layer_of(a.o, Side::kHeads, Side::kResidual, nullptr));
    NWC_ASSIGN_OR_RETURN(const MlpLayers mlp, layers_of(block.mlp));
    for (const LinearSpec* in : mlp.in) plan.layers.push_back(layer_of(*in, Side::kResidual, Side::kInside, second));
    plan.layers.push_back(layer_of(*mlp.out, Side::kInside, Side::kResidual, nullptr));
  }
  for (const BlockSpec& block : spec.blocks) {
    for (const BlockLinear& linear : linears_of(block)) {
      if (linear.linear.slice) return unsupported("layers that share a tensor");
    }
  }
  return plan;
}

}  // namespace nwc
