#include "model/layers/layers.h"

#include <utility>

namespace nwc {
namespace {

constexpr double kQuickGeluSlope = 1.702;

// One layer's part of a fused tensor, as a view.
at::Tensor sliced(const at::Tensor& stored, const std::optional<FusedSlice>& slice) {
  return slice ? stored.select(0, slice->index) : stored;
}

}  // namespace

Result<Linear> Linear::load(const LinearSpec& spec, const ParameterSource& source) {
  Linear linear{spec, {}, {}};
  NWC_ASSIGN_OR_RETURN(const at::Tensor weight, source.load(spec.weight_tensor()));
  linear.weight = sliced(weight, spec.slice);
  if (spec.slice && spec.slice->transposed) linear.weight = linear.weight.t();
  NWC_ASSIGN_OR_RETURN(const at::Tensor bias, load_optional(spec.bias_tensor(), source));
  if (bias.defined()) linear.bias = sliced(bias, spec.slice);
  return linear;
}

at::Tensor Linear::forward(const at::Tensor& x, const LinearHook& hook) const {
  at::Tensor y = torch::linear(x, weight, bias);
  if (hook) hook(spec, x, y);
  return y;
}

Result<Norm> Norm::load(const NormSpec& spec, const ParameterSource& source) {
  NWC_ASSIGN_OR_RETURN(at::Tensor weight, source.load({spec.weight, {spec.features}}));
  NWC_ASSIGN_OR_RETURN(at::Tensor bias, load_optional({spec.bias, {spec.features}}, source));
  if (spec.weight_offset != 0) weight = weight + spec.weight_offset;
  return Norm{spec, std::move(weight), std::move(bias)};
}

at::Tensor Norm::forward(const at::Tensor& x) const {
  if (spec.kind == NormSpec::Kind::kLayer) return torch::layer_norm(x, {spec.features}, weight, bias, spec.eps);
  return x * torch::rsqrt(x.square().mean(-1, /*keepdim=*/true) + spec.eps) * weight;
}

Result<std::optional<Norm>> load_norm(const std::optional<NormSpec>& spec, const ParameterSource& source) {
  if (!spec) return std::optional<Norm>();
  NWC_ASSIGN_OR_RETURN(Norm norm, Norm::load(*spec, source));
  return std::optional(std::move(norm));
}

Result<at::Tensor> load_optional(const TensorSpec& tensor, const ParameterSource& source) {
  if (tensor.name.empty()) return at::Tensor();
  return source.load(tensor);
}

at::Tensor activate(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::kSilu: return torch::silu(x);
    case Activation::kGelu: return torch::gelu(x);
    case Activation::kGeluTanh: return torch::gelu(x, "tanh");
    case Activation::kQuickGelu: return x * torch::sigmoid(kQuickGeluSlope * x);
  }
  return x;
}

}  // namespace nwc
