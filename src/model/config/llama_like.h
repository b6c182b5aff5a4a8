// What the decoder families that descend from Llama have in common: tensor names, dimensions, the order of operations.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/config/config.h"
#include "model/config/layer_window.h"
#include "model/config/rope_config.h"
#include "model/config/spec.h"

namespace nwc {

// How a family differs from plain Llama without biases. What goes beyond this, the family changes in the returned spec.
struct LlamaLike {
  bool qkv_bias = false;
  bool o_bias = false;
  bool mlp_bias = false;
  bool qk_norm = false;        // RMS norm of each query and key head, before RoPE
  bool fused_qkv = false;      // self_attn.qkv_proj
  bool fused_gate_up = false;  // mlp.gate_up_proj, the gate first
  RopeRules rope = {};
  bool layer_ropes = false;  // the family gives its layers their rotary embedding itself
  LayerWindows window = {};  // the sliding window of each layer
  std::string eps_key = "rms_norm_eps";
  std::string activation_key = "hidden_act";
  std::string prefix = "model.";        // of all tensor names but the head's
  std::string head = "lm_head.weight";  // tensor name
};

// Reads everything that these families share from config.json: dimensions, norms, RoPE, tying.
// Errors: as ConfigObject; kUnsupported for options that we do not compute.
Result<ModelSpec> describe_llama_like(const ConfigObject& config, const LlamaLike& family);

}  // namespace nwc
