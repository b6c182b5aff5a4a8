// Granite 3: Llama with multipliers on embedding, attention scores, both residuals and logits.
#include "model/config/common_config.h"
#include "model/config/llama_like.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr double kMin = 1e-6, kMax = 1e6;

Result<ModelSpec> describe(const ConfigObject& config) {
  LlamaLike family;
  family.defaults.heads = 32;
  family.defaults.vocab = 32000;
  family.defaults.positions = 2048;
  family.defaults.eps = 1e-6;
  NWC_ASSIGN_OR_RETURN(family.qkv_bias, config.boolean("attention_bias", false));
  family.o_bias = family.qkv_bias;
  NWC_ASSIGN_OR_RETURN(family.mlp_bias, config.boolean("mlp_bias", false));
  NWC_ASSIGN_OR_RETURN(ModelSpec model, describe_llama_like(config, family));

  NWC_ASSIGN_OR_RETURN(model.embedding_scale, config.number("embedding_multiplier", kMin, kMax, 1));
  NWC_ASSIGN_OR_RETURN(const double divisor, config.number("logits_scaling", kMin, kMax, 1));
  NWC_ASSIGN_OR_RETURN(const double scores, config.number("attention_multiplier", kMin, kMax, 1));
  NWC_ASSIGN_OR_RETURN(const double residual, config.number("residual_multiplier", kMin, kMax, 1));
  model.logit_scale = 1 / divisor;
  for (BlockSpec& block : model.blocks) {
    block.attention.scale = scores;
    block.attention_path.multiplier = residual;
    block.mlp_path.multiplier = residual;
  }
  return model;
}

}  // namespace

const Family kGranite{"granite", describe};

}  // namespace nwc
