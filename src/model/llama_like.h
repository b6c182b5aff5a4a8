// What the decoder families that descend from Llama have in common: tensor names, dimensions, the order of operations.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "model/config.h"
#include "model/spec.h"

namespace nwc {

// How a family differs from plain Llama without biases. What goes beyond this, the family changes in the returned spec.
struct LlamaLike {
  bool qkv_bias = false;
  bool o_bias = false;
  bool mlp_bias = false;
  bool qk_norm = false;                     // RMS norm of each query and key head, before RoPE
  std::optional<int64_t> default_head_dim;  // if config.json has no head_dim; none: hidden_size / num_attention_heads
  // The sliding window of a layer, none for full attention; an empty function is none for all.
  std::function<std::optional<int64_t>(int64_t layer)> window;
};

// Reads everything that these families share from config.json: dimensions, norms, RoPE, tying, dtype, eos.
// Errors: as ConfigObject; kUnsupported for options that we do not compute.
Result<ModelSpec> describe_llama_like(const ConfigObject& config, const LlamaLike& family);

}  // namespace nwc
