// Granite 3: Llama with multipliers on embedding, attention scores, both residuals and logits.
#include "model/config/common_config.h"
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
    {"head_dim", WidthPerHead{}},
    {"hidden_act", "silu"},
    {"max_position_embeddings", 2048},
    {"rms_norm_eps", 1e-6},
    {"tie_word_embeddings", false},
    {"rope_theta", 1e4, Unset{}},
    {"rope_parameters", Unset{}, Unset{}},
    {"rope_scaling", Unset{}, Unset{}},
    {"attention_bias", false},
    {"mlp_bias", false},
    {"embedding_multiplier", 1.0},
    {"logits_scaling", 1.0},
    {"residual_multiplier", 1.0},
    {"attention_multiplier", 1.0},
};
constexpr FamilyKeys kTable{kKeys};
constexpr double kMin = 1e-6, kMax = 1e6;

Result<ModelSpec> describe(const ConfigObject& config) {
  LlamaLike family;
  NWC_ASSIGN_OR_RETURN(family.qkv_bias, config.boolean("attention_bias", false));
  family.o_bias = family.qkv_bias;
  NWC_ASSIGN_OR_RETURN(family.mlp_bias, config.boolean("mlp_bias", false));
  NWC_ASSIGN_OR_RETURN(ModelSpec model, describe_llama_like(config, family));

  NWC_ASSIGN_OR_RETURN(model.embedding_scale, config.number("embedding_multiplier", kMin, kMax));
  NWC_ASSIGN_OR_RETURN(const double divisor, config.number("logits_scaling", kMin, kMax));
  NWC_ASSIGN_OR_RETURN(const double scores, config.number("attention_multiplier", kMin, kMax));
  NWC_ASSIGN_OR_RETURN(const double residual, config.number("residual_multiplier", kMin, kMax));
  model.logit_scale = 1 / divisor;
  for (BlockSpec& block : model.blocks) {
    block.attention.scale = scores;
    block.attention_path.multiplier = residual;
    block.mlp_path.multiplier = residual;
  }
  return model;
}

}  // namespace

const Family kGranite{"granite", describe, nullptr, &kTable};

}  // namespace nwc
