// What a tensor's name says about it: the block it stands in, and what it is for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nwc {

// By the words of the tensor's module and parameter, "up" and "proj" in "mlp.up_proj.weight".
enum class TensorRole : uint8_t {
  kWeight,       // "...weight" of a module with no other role: a linear layer's, if its shape is a matrix
  kExperts,      // all experts of a mixture in one parameter: "mlp.experts.gate_up_proj"
  kNorm,         // "input_layernorm", "q_norm", "ln_1"
  kEmbedding,    // tables that are looked up: "embed_tokens", "wpe", "pos_table", "codebook", "token_type"
  kBias,         // also of fused experts: "gate_up_proj_bias"
  kConvolution,  // "conv1d", "patch_conv"; a matrix of such a name is a linear layer ("conv_proj")
  kRouter,       // "mlp.gate", "router.layer": which expert a token goes to
  kOther,        // parameters of other names: "self_attn.sinks", "time_maa_w2", "in_proj_weight", "weight_scale"
};

// A name is parts with dots between them, and a part is words with underscores and digits between them.
struct TensorName {
  std::string_view stack;         // what stands before the block's number: "model.layers."; empty outside blocks
  std::optional<uint32_t> block;  // the first part before the last that is a number of up to nine digits
  std::string layer;  // the rest, the same in all blocks: "mlp.experts.*.up_proj"; outside blocks the whole name
  TensorRole role = TensorRole::kOther;
  bool experts = false;  // below a part called experts: one of a mixture's experts, or all of them

  // `name` must outlive the result.
  static TensorName parse(std::string_view name);
};

// A tensor's module, "up_proj" in "mlp.up_proj.weight", and its parameter, "weight". Numbers are no modules: "mlp" in
// "mlp.0.weight".
struct ModuleAndParameter {
  std::string_view module, parameter;
};
ModuleAndParameter module_of(std::string_view name);

}  // namespace nwc
