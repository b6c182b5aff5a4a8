#include "model/layers.h"

#include <utility>

namespace nwc {

Result<Linear> Linear::load(const LinearSpec& spec, const ParameterSource& source) {
  Linear linear{spec, {}, {}};
  NWC_ASSIGN_OR_RETURN(linear.weight, source.load({spec.weight, {spec.out_features, spec.in_features}}));
  if (!spec.bias.empty()) {
    NWC_ASSIGN_OR_RETURN(linear.bias, source.load({spec.bias, {spec.out_features}}));
  }
  return linear;
}

at::Tensor Linear::forward(const at::Tensor& x, const InputHook& hook) const {
  if (hook) hook(spec, x);
  return torch::linear(x, weight, bias);
}

Result<RmsNorm> RmsNorm::load(const RmsNormSpec& spec, const ParameterSource& source) {
  NWC_ASSIGN_OR_RETURN(at::Tensor weight, source.load({spec.weight, {spec.features}}));
  return RmsNorm{spec, std::move(weight)};
}

at::Tensor RmsNorm::forward(const at::Tensor& x) const {
  return x * torch::rsqrt(x.square().mean(-1, /*keepdim=*/true) + spec.eps) * weight;
}

Result<GatedMlp> GatedMlp::load(const GatedMlpSpec& spec, const ParameterSource& source) {
  NWC_ASSIGN_OR_RETURN(Linear gate, Linear::load(spec.gate, source));
  NWC_ASSIGN_OR_RETURN(Linear up, Linear::load(spec.up, source));
  NWC_ASSIGN_OR_RETURN(Linear down, Linear::load(spec.down, source));
  return GatedMlp{std::move(gate), std::move(up), std::move(down)};
}

at::Tensor GatedMlp::forward(const at::Tensor& x, const InputHook& hook) const {
  return down.forward(torch::silu(gate.forward(x, hook)) * up.forward(x, hook), hook);
}

}  // namespace nwc
