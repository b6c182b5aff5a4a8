// GLM-4, as `glm` and, with norms behind attention and MLP too, as `glm4`: the first half of each head turns, in pairs
// of neighbours; query, key and value have biases; gate and up are one layer.
#include <fmt/format.h>

#include "model/config/config_keys.h"
#include "model/config/llama_like.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr ConfigKey kKeys[] = {
    {"vocab_size", 151552},
    {"hidden_size", 4096},
    {"intermediate_size", 13696},
    {"num_hidden_layers", 40},
    {"num_attention_heads", 32},
    {"num_key_value_heads", 2},
    {"head_dim", 128},
    {"hidden_act", "silu"},
    {"max_position_embeddings", 131072},
    {"rms_norm_eps", 1.5625e-7},
    {"tie_word_embeddings", false},
    {"rope_theta", 1e4, Unset{}},
    {"rope_parameters", Unset{}, Unset{}},
    {"rope_scaling", Unset{}, Unset{}},
    {"partial_rotary_factor", 0.5, Unset{}},
    {"attention_bias", true},
};
constexpr FamilyKeys kTable{kKeys};

Result<ModelSpec> describe_glm(const ConfigObject& config) {
  LlamaLike family;
  family.fused_gate_up = true;
  family.rope.partial = 0.5;
  family.rope.interleaved = true;
  NWC_ASSIGN_OR_RETURN(family.qkv_bias, config.boolean("attention_bias", true));
  return describe_llama_like(config, family);
}

Result<ModelSpec> describe_glm4(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(ModelSpec model, describe_glm(config));
  for (size_t i = 0; i < model.blocks.size(); ++i) {
    BlockSpec& block = model.blocks[i];
    const auto norm = [&](const char* name) {
      NormSpec spec = *block.mlp_path.norm;
      spec.weight = fmt::format("model.layers.{}.{}.weight", i, name);
      return spec;
    };
    block.attention_path.post_norm = norm("post_self_attn_layernorm");
    block.mlp_path.post_norm = norm("post_mlp_layernorm");
  }
  return model;
}

}  // namespace

const Family kGlm{"glm", describe_glm, nullptr, &kTable};
const Family kGlm4{"glm4", describe_glm4, nullptr, &kTable};

}  // namespace nwc
