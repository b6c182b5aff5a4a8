#include "model/layers/mlp.h"

#include <utility>

namespace nwc {
namespace {

at::Tensor gated(const at::Tensor& gate, const at::Tensor& value, const GateRule& rule) {
  if (!rule.limit) {
    const at::Tensor opened = activate(gate, rule.activation);
    return opened * (rule.value_offset != 0 ? value + rule.value_offset : value);
  }
  return activate(gate.clamp_max(*rule.limit), rule.activation) *
         (value.clamp(-*rule.limit, *rule.limit) + rule.value_offset);
}

}  // namespace

at::Tensor PlainMlp::forward(const at::Tensor& x, const LinearHook& hook) const {
  return down.forward(activate(up.forward(x, hook), activation), hook);
}

at::Tensor GatedMlp::forward(const at::Tensor& x, const LinearHook& hook) const {
  const at::Tensor opening = gate.forward(x, hook);
  return down.forward(gated(opening, up.forward(x, hook), rule), hook);
}

at::Tensor FusedGateMlp::forward(const at::Tensor& x, const LinearHook& hook) const {
  const at::Tensor both = gate_up.forward(x, hook);
  const int64_t half = both.size(-1) / 2;
  const at::Tensor gate = interleaved ? both.slice(-1, 0, 2 * half, 2) : both.narrow(-1, 0, half);
  const at::Tensor value = interleaved ? both.slice(-1, 1, 2 * half, 2) : both.narrow(-1, half, half);
  return down.forward(gated(gate, value, rule), hook);
}

Result<PlainMlp> load_mlp(const PlainMlpSpec& spec, const ParameterSource& source) {
  NWC_ASSIGN_OR_RETURN(Linear up, Linear::load(spec.up, source));
  NWC_ASSIGN_OR_RETURN(Linear down, Linear::load(spec.down, source));
  return PlainMlp{std::move(up), std::move(down), spec.activation};
}

Result<GatedMlp> load_mlp(const GatedMlpSpec& spec, const ParameterSource& source) {
  NWC_ASSIGN_OR_RETURN(Linear gate, Linear::load(spec.gate, source));
  NWC_ASSIGN_OR_RETURN(Linear up, Linear::load(spec.up, source));
  NWC_ASSIGN_OR_RETURN(Linear down, Linear::load(spec.down, source));
  return GatedMlp{std::move(gate), std::move(up), std::move(down), spec.rule};
}

Result<FusedGateMlp> load_mlp(const FusedGateMlpSpec& spec, const ParameterSource& source) {
  NWC_ASSIGN_OR_RETURN(Linear gate_up, Linear::load(spec.gate_up, source));
  NWC_ASSIGN_OR_RETURN(Linear down, Linear::load(spec.down, source));
  return FusedGateMlp{std::move(gate_up), std::move(down), spec.interleaved, spec.rule};
}

Result<DenseMlp> load_mlp(const DenseMlpSpec& spec, const ParameterSource& source) {
  return std::visit(
      [&](const auto& form) -> Result<DenseMlp> {
        auto mlp = load_mlp(form, source);
        if (!mlp) return std::move(mlp).error();
        return DenseMlp(*std::move(mlp));
      },
      spec);
}

}  // namespace nwc
