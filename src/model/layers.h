// The layers that blocks are made of, with their weights. Internal to src/model: it includes LibTorch.
//
// All tensors are float32. Functions throw what LibTorch throws; callers outside wrap them in catch_foreign().
// Thread safety: const members may be called from several threads at once.
#pragma once

#include <torch/torch.h>

#include <functional>

#include "model/parameters.h"
#include "model/spec.h"
#include "nwcodec/result.h"

namespace nwc {

// Sees the input of a linear layer, [..., in_features], just before it is used. Layers that read the same input (query,
// key and value; gate and up) report it once each, with the same tensor.
using InputHook = std::function<void(const LinearSpec& linear, const at::Tensor& input)>;

struct Linear {
  LinearSpec spec;
  at::Tensor weight;
  at::Tensor bias;  // undefined for none

  static Result<Linear> load(const LinearSpec& spec, const ParameterSource& source);
  // x [..., in_features] -> [..., out_features]; `hook` may be empty.
  at::Tensor forward(const at::Tensor& x, const InputHook& hook) const;
};

struct RmsNorm {
  RmsNormSpec spec;
  at::Tensor weight;

  static Result<RmsNorm> load(const RmsNormSpec& spec, const ParameterSource& source);
  at::Tensor forward(const at::Tensor& x) const;
};

struct GatedMlp {
  Linear gate, up, down;

  static Result<GatedMlp> load(const GatedMlpSpec& spec, const ParameterSource& source);
  at::Tensor forward(const at::Tensor& x, const InputHook& hook) const;
};

}  // namespace nwc
