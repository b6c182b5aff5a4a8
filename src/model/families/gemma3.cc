// Gemma 3, the language model alone or inside the multi-modal one: norms before and after both halves of a block, whose
// weights are stored less one; scaled embeddings; five sliding blocks, with a faster RoPE, for each full one.
#include <fmt/format.h>

#include <cmath>

#include "model/config/common_config.h"
#include "model/config/llama_like.h"
#include "model/config/rope_config.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr int64_t kWindowPeriod = 6;
constexpr int64_t kDefaultWindow = 4096;
constexpr double kGlobalTheta = 1e6;
constexpr double kLocalTheta = 1e4;
constexpr double kDefaultQueryScalar = 256;

Result<LayerWindows> read_windows(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(int64_t period, config.integer("_sliding_window_pattern", 1, kMaxBlocks, kWindowPeriod));
  NWC_ASSIGN_OR_RETURN(period, config.integer("sliding_window_pattern", 1, kMaxBlocks, period));
  return read_periodic_windows(config, period, kDefaultWindow);
}

void change_block(BlockSpec* block, const std::string& prefix, double query_scalar, const LayerRopes& ropes) {
  const auto norm = [&](const char* name) {
    NormSpec spec = *block->attention_path.norm;
    spec.weight = prefix + name + ".weight";
    spec.weight_offset = 1;
    return spec;
  };
  block->attention_path.norm = norm("input_layernorm");
  block->attention_path.post_norm = norm("post_attention_layernorm");
  block->mlp_path.norm = norm("pre_feedforward_layernorm");
  block->mlp_path.post_norm = norm("post_feedforward_layernorm");
  block->attention.q_norm->weight_offset = 1;
  block->attention.k_norm->weight_offset = 1;
  block->attention.scale = 1 / std::sqrt(query_scalar);
  block->attention.rope = block->attention.window ? ropes.sliding : ropes.full;
}

Result<ModelSpec> describe_text_model(const ConfigObject& config, const std::string& place) {
  for (const char* key : {"attn_logit_softcapping", "final_logit_softcapping", "use_bidirectional_attention"}) {
    NWC_RETURN_IF_ERROR(refuse_if_set(config, key));
  }
  LlamaLike family;
  family.qk_norm = true;
  family.activation_key = "hidden_activation";
  family.default_activation = "gelu_pytorch_tanh";
  family.prefix = place + "model.";
  family.head = place + "lm_head.weight";
  family.defaults = {256, 8, 4, 262208, 131072, 1e-6, /*tied=*/true};
  NWC_ASSIGN_OR_RETURN(family.qkv_bias, config.boolean("attention_bias", false));
  family.o_bias = family.qkv_bias;
  NWC_ASSIGN_OR_RETURN(family.window, read_windows(config));
  NWC_ASSIGN_OR_RETURN(ModelSpec model, describe_llama_like(config, family));
  NWC_ASSIGN_OR_RETURN(const LayerRopes ropes, read_layer_ropes(config, kGlobalTheta, kLocalTheta));
  NWC_ASSIGN_OR_RETURN(const double query_scalar,
                       config.number("query_pre_attn_scalar", 1e-6, 1e6, kDefaultQueryScalar));
  for (size_t i = 0; i < model.blocks.size(); ++i) {
    change_block(&model.blocks[i], fmt::format("{}layers.{}.", family.prefix, i), query_scalar, ropes);
  }
  model.final_norm.weight_offset = 1;
  model.embedding_scale = std::sqrt(static_cast<double>(model.hidden_size));
  return model;
}

Result<ModelSpec> describe_text(const ConfigObject& config) { return describe_text_model(config, ""); }

// The multi-modal model; only its language model is described, which is what is calibrated and evaluated.
Result<ModelSpec> describe_multimodal(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(const ConfigObject text, config.object("text_config"));
  NWC_ASSIGN_OR_RETURN(ModelSpec model, describe_text_model(text, "language_model."));
  if (!model.declared_dtype) {
    NWC_ASSIGN_OR_RETURN(model.declared_dtype, read_dtype(config));
  }
  return model;
}

}  // namespace

const Family kGemma3{"gemma3", describe_multimodal};
const Family kGemma3Text{"gemma3_text", describe_text};

}  // namespace nwc
