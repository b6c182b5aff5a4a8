// Llama 1 to 3: heads may share keys and values, head and embedding may be tied, RoPE may be scaled.
#include "model/config/config_keys.h"
#include "model/config/llama_like.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr ConfigKey kKeys[] = {
    {"vocab_size", 32000},
    {"hidden_size", 4096},
    {"intermediate_size", 11008},
    {"num_hidden_layers", 32},
    {"num_attention_heads", 32},
    {"num_key_value_heads", SameAs("num_attention_heads"), SameAs("num_attention_heads")},
    {"head_dim", WidthPerHead{}, WidthPerHead{}},
    {"hidden_act", "silu"},
    {"max_position_embeddings", 2048},
    {"rms_norm_eps", 1e-6},
    {"tie_word_embeddings", false},
    {"rope_theta", 1e4, Unset{}},
    {"rope_parameters", Unset{}, Unset{}},
    {"rope_scaling", Unset{}, Unset{}},
    {"attention_bias", false},
    {"mlp_bias", false},
};
constexpr FamilyKeys kTable{kKeys};

Result<ModelSpec> describe(const ConfigObject& config) {
  LlamaLike family;
  NWC_ASSIGN_OR_RETURN(family.qkv_bias, config.boolean("attention_bias", false));
  family.o_bias = family.qkv_bias;
  NWC_ASSIGN_OR_RETURN(family.mlp_bias, config.boolean("mlp_bias", false));
  return describe_llama_like(config, family);
}

}  // namespace

const Family kLlama{"llama", describe, nullptr, &kTable};

}  // namespace nwc
