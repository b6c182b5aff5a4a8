// The dense MLPs of blocks and experts. Internal to src/model: it includes LibTorch.
//
// Functions throw what LibTorch throws. Thread safety: const members may be called from several threads at once.
#pragma once

#include <variant>

#include "model/layers/layers.h"

namespace nwc {

// forward() takes x [..., in_features] to [..., out_features of down], and shows each layer to `hook`.

struct PlainMlp {
  Linear up, down;
  Activation activation;
  at::Tensor forward(const at::Tensor& x, const LinearHook& hook) const;
};

struct GatedMlp {
  Linear gate, up, down;
  GateRule rule = {};
  at::Tensor forward(const at::Tensor& x, const LinearHook& hook) const;
};

struct FusedGateMlp {
  Linear gate_up, down;
  bool interleaved = false;
  GateRule rule = {};
  at::Tensor forward(const at::Tensor& x, const LinearHook& hook) const;
};

using DenseMlp = std::variant<PlainMlp, GatedMlp, FusedGateMlp>;

// Errors: those of the source, by tensor name.
Result<PlainMlp> load_mlp(const PlainMlpSpec& spec, const ParameterSource& source);
Result<GatedMlp> load_mlp(const GatedMlpSpec& spec, const ParameterSource& source);
Result<FusedGateMlp> load_mlp(const FusedGateMlpSpec& spec, const ParameterSource& source);
Result<DenseMlp> load_mlp(const DenseMlpSpec& spec, const ParameterSource& source);

}  // namespace nwc
