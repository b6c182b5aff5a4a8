// OLMo 2 and 3: norms stand behind attention and MLP instead of before them, and query and key are normalised over all
// heads together. OLMo 3 adds a sliding window in three of four layers, which turn by a rotary embedding of their own.
#include <fmt/format.h>

#include "model/config/config_keys.h"
#include "model/config/llama_like.h"
#include "model/config/rope_config.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr ConfigKey kOlmo2Keys[] = {
    {"vocab_size", 50304},
    {"hidden_size", 4096},
    {"intermediate_size", 11008},
    {"num_hidden_layers", 32},
    {"num_attention_heads", 32},
    {"num_key_value_heads", SameAs("num_attention_heads"), SameAs("num_attention_heads")},
    {"head_dim", WidthPerHead{}},
    {"hidden_act", "silu"},
    {"max_position_embeddings", 2048},
    {"rms_norm_eps", 1e-5},
    {"tie_word_embeddings", false},
    {"rope_theta", 1e4, Unset{}},
    {"rope_parameters", Unset{}, Unset{}},
    {"rope_scaling", Unset{}, Unset{}},
    {"attention_bias", false},
};
constexpr ConfigKey kOlmo3Keys[] = {
    {"vocab_size", 50304},
    {"hidden_size", 4096},
    {"intermediate_size", 11008},
    {"num_hidden_layers", 32},
    {"num_attention_heads", 32},
    {"num_key_value_heads", SameAs("num_attention_heads"), SameAs("num_attention_heads")},
    {"head_dim", WidthPerHead{}},
    {"hidden_act", "silu"},
    {"max_position_embeddings", 2048},
    {"rms_norm_eps", 1e-5},
    {"tie_word_embeddings", false},
    {"rope_theta", 5e5, Unset{}},
    {"rope_parameters", Unset{}, Unset{}},
    {"rope_scaling", Unset{}, Unset{}},
    {"attention_bias", false},
    {"sliding_window", 4096, Unset{}},
    {"layer_types", Unset{}, Unset{}},
};
constexpr FamilyKeys kOlmo2Table{kOlmo2Keys}, kOlmo3Table{kOlmo3Keys};
constexpr int64_t kWindowPeriod = 4;
constexpr double kOlmo3Theta = 5e5;  // of sliding layers whatever rope_theta says

Result<ModelSpec> describe_olmo(const ConfigObject& config, LlamaLike family) {
  family.qk_norm = true;
  NWC_ASSIGN_OR_RETURN(family.qkv_bias, config.boolean("attention_bias", false));
  family.o_bias = family.qkv_bias;
  NWC_ASSIGN_OR_RETURN(ModelSpec model, describe_llama_like(config, family));
  for (size_t i = 0; i < model.blocks.size(); ++i) {
    BlockSpec& block = model.blocks[i];
    block.attention_path = {std::nullopt, block.mlp_path.norm, {}};  // post_attention_layernorm
    block.mlp_path = {std::nullopt, block.attention_path.post_norm, {}};
    block.mlp_path.post_norm->weight = fmt::format("model.layers.{}.post_feedforward_layernorm.weight", i);
    block.attention.q_norm->features = block.attention.q.out_features;
    block.attention.k_norm->features = block.attention.k.out_features;
  }
  return model;
}

Result<ModelSpec> describe_olmo2(const ConfigObject& config) { return describe_olmo(config, {}); }

Result<ModelSpec> describe_olmo3(const ConfigObject& config) {
  LlamaLike family;
  family.layer_ropes = true;
  NWC_ASSIGN_OR_RETURN(family.window, read_periodic_windows(config, kWindowPeriod));
  NWC_ASSIGN_OR_RETURN(ModelSpec model, describe_olmo(config, family));
  NWC_ASSIGN_OR_RETURN(const LayerRopes ropes, read_layer_ropes(config, kOlmo3Theta, kOlmo3Theta, /*local_key=*/""));
  for (BlockSpec& block : model.blocks) block.attention.rope = block.attention.window ? ropes.sliding : ropes.full;
  return model;
}

}  // namespace

const Family kOlmo2{"olmo2", describe_olmo2, nullptr, &kOlmo2Table};
const Family kOlmo3{"olmo3", describe_olmo3, nullptr, &kOlmo3Table};

}  // namespace nwc
