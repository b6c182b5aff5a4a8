#include "model/config/fused_layers.h"

#include <string>
#include <string_view>
#include <utility>

#include "model/config/stored_names.h"

namespace nwc {
namespace {

// "a.b." of "a.b.gate.weight": where a layer stands beside others.
std::string folder_of(const std::string& weight) {
  const size_t parameter = weight.rfind('.');
  if (parameter == std::string::npos || parameter == 0) return {};
  const size_t layer = weight.rfind('.', parameter - 1);
  return layer == std::string::npos ? std::string() : weight.substr(0, layer + 1);
}

Status fuse_experts(MixtureSpec& mixture, const StoredNames& stored) {
  const GatedMlpSpec* const first = std::get_if<GatedMlpSpec>(&mixture.experts.front());
  if (first == nullptr || first->gate.slice || stored.has(first->gate.weight)) return {};
  // The router has the checkpoint's name.
  const std::string experts = folder_of(mixture.router.weight) + "experts.";
  NWC_ASSIGN_OR_RETURN(const std::string gate_up, stored.find(experts + "gate_up_proj"));
  NWC_ASSIGN_OR_RETURN(const std::string down, stored.find(experts + "down_proj"));
  if (gate_up.empty() || down.empty()) return {};
  const int64_t hidden = first->gate.in_features, width = first->gate.out_features;
  const GateRule rule = first->rule;
  const int64_t count = static_cast<int64_t>(mixture.experts.size());
  for (int64_t i = 0; i < count; ++i) {
    const FusedSlice slice{i, count, /*transposed=*/false};
    mixture.experts[static_cast<size_t>(i)] = FusedGateMlpSpec{{gate_up, "", hidden, 2 * width, slice},
                                                               {down, "", width, hidden, slice},
                                                               /*interleaved=*/false,
                                                               rule};
  }
  return {};
}

// The fused layer `name` beside `neighbour`, which has the checkpoint's name, in the place of layers like `first`; no
// weight if there is none.
Result<LinearSpec> fused_beside(const LinearSpec& neighbour, const std::string& name, const LinearSpec& first,
                                int64_t out_features, const StoredNames& stored) {
  const std::string fused = folder_of(neighbour.weight) + name;
  LinearSpec layer{"", "", first.in_features, out_features};
  NWC_ASSIGN_OR_RETURN(layer.weight, stored.find(fused + ".weight"));
  if (first.bias.empty()) return layer;
  NWC_ASSIGN_OR_RETURN(layer.bias, stored.find(fused + ".bias"));
  if (layer.bias.empty()) layer.bias = fused + ".bias";  // whoever loads it says that it is missing
  return layer;
}

Status fuse_gate(MlpSpec& spec, const StoredNames& stored) {
  GatedMlpSpec* const mlp = std::get_if<GatedMlpSpec>(&spec);
  if (mlp == nullptr || stored.has(mlp->gate.weight)) return {};
  NWC_ASSIGN_OR_RETURN(LinearSpec gate_up, fused_beside(mlp->down, "gate_up_proj", mlp->gate,
                                                        mlp->gate.out_features + mlp->up.out_features, stored));
  if (gate_up.weight.empty()) return {};
  spec = FusedGateMlpSpec{std::move(gate_up), std::move(mlp->down), /*interleaved=*/false, mlp->rule};
  return {};
}

Status fuse_queries(AttentionSpec& attention, const StoredNames& stored) {
  if (attention.qkv || attention.latent || stored.has(attention.q.weight)) return {};
  const int64_t width = attention.q.out_features + attention.k.out_features + attention.v.out_features;
  NWC_ASSIGN_OR_RETURN(LinearSpec qkv, fused_beside(attention.o, "qkv_proj", attention.q, width, stored));
  if (!qkv.weight.empty()) attention.qkv = std::move(qkv);
  return {};
}

Status part_gate(MlpSpec& spec, const StoredNames& stored) {
  FusedGateMlpSpec* const mlp = std::get_if<FusedGateMlpSpec>(&spec);
  if (mlp == nullptr || mlp->interleaved || stored.has(mlp->gate_up.weight)) return {};
  const std::string folder = folder_of(mlp->down.weight);
  const auto part = [&](const std::string& name) -> Result<LinearSpec> {
    LinearSpec linear{"", "", mlp->gate_up.in_features, mlp->gate_up.out_features / 2};
    NWC_ASSIGN_OR_RETURN(linear.weight, stored.find(folder + name + ".weight"));
    if (!mlp->gate_up.bias.empty()) linear.bias = folder + name + ".bias";
    return linear;
  };
  NWC_ASSIGN_OR_RETURN(LinearSpec gate, part("gate_proj"));
  NWC_ASSIGN_OR_RETURN(LinearSpec up, part("up_proj"));
  if (gate.weight.empty() || up.weight.empty()) return {};
  spec = GatedMlpSpec{std::move(gate), std::move(up), std::move(mlp->down), mlp->rule};
  return {};
}

}  // namespace

Status fuse_as_stored(BlockSpec& block, const StoredNames& stored) {
  NWC_RETURN_IF_ERROR(fuse_queries(block.attention, stored));
  if (MixtureSpec* mixture = std::get_if<MixtureSpec>(&block.mlp); mixture != nullptr && !mixture->experts.empty())
    return fuse_experts(*mixture, stored);
  NWC_RETURN_IF_ERROR(fuse_gate(block.mlp, stored));
  return part_gate(block.mlp, stored);
}

}  // namespace nwc
