// The layers that blocks are made of, with their weights. Internal to src/model: it includes LibTorch.
//
// All tensors are float32. Functions throw what LibTorch throws; callers outside wrap them in catch_foreign().
// Thread safety: const members may be called from several threads at once.
#pragma once

#include <functional>
#include <optional>

#include "libtorch/tensors.h"
#include "model/config/block_spec.h"
#include "model/parameters/parameters.h"
#include "nwcodec/result.h"

namespace nwc {

// Sees a linear layer's input, [..., in_features], and output, [..., out_features], as soon as there is an output.
// Layers that read the same input (query, key and value; gate and up) report it once each, with the same tensor. A
// layer of a fused tensor is told apart by linear.slice->index. An expert's layers see [tokens routed there, features],
// and nothing if there are none.
using LinearHook = std::function<void(const LinearSpec& linear, const at::Tensor& input, const at::Tensor& output)>;

struct Linear {
  LinearSpec spec;
  at::Tensor weight;
  at::Tensor bias;  // undefined for none

  // A fused tensor is asked for as a whole; see once_source.h.
  static Result<Linear> load(const LinearSpec& spec, const ParameterSource& source);
  // x [..., in_features] -> [..., out_features]; `hook` may be empty.
  at::Tensor forward(const at::Tensor& x, const LinearHook& hook) const;
};

struct Norm {
  NormSpec spec;
  at::Tensor weight;  // offset added
  at::Tensor bias;    // undefined for none

  static Result<Norm> load(const NormSpec& spec, const ParameterSource& source);
  at::Tensor forward(const at::Tensor& x) const;
};

// nullopt for nullopt.
Result<std::optional<Norm>> load_norm(const std::optional<NormSpec>& spec, const ParameterSource& source);

// A tensor that a model may lack: undefined if it has no name.
Result<at::Tensor> load_optional(const TensorSpec& tensor, const ParameterSource& source);

at::Tensor activate(const at::Tensor& x, Activation activation);

}  // namespace nwc
