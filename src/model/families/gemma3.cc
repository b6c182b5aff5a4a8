// Gemma 3, the language model alone or inside the multi-modal one: norms before and after both halves of a block, whose
// weights are stored less one; scaled embeddings; five sliding blocks, with a faster RoPE, for each full one.
#include <fmt/format.h>

#include <cmath>

#include "model/config/common_config.h"
#include "model/config/config_keys.h"
#include "model/config/llama_like.h"
#include "model/config/rope_config.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr ConfigKey kTextKeys[] = {
    {"vocab_size", 262208},
    {"hidden_size", 2304},
    {"intermediate_size", 9216},
    {"num_hidden_layers", 26},
    {"num_attention_heads", 8},
    {"num_key_value_heads", 4},
    {"head_dim", 256},
    {"hidden_activation", "gelu_pytorch_tanh"},
    {"max_position_embeddings", 131072},
    {"rms_norm_eps", 1e-6},
    {"tie_word_embeddings", true},
    {"rope_theta", 1e6, Unset{}},
    {"rope_parameters", Unset{}, Unset{}},
    {"rope_scaling", Unset{}, Unset{}},
    {"rope_local_base_freq", 1e4, Unset{}},
    {"attention_bias", false},
    {"query_pre_attn_scalar", 256},
    {"sliding_window", 4096, Unset{}},
    {"layer_types", Unset{}, Unset{}},
    {"sliding_window_pattern", 6},
    {"final_logit_softcapping", Unset{}, Unset{}},
    {"attn_logit_softcapping", Unset{}, Unset{}},
    {"use_bidirectional_attention", false, Unset{}},
};
constexpr FamilyKeys kTextTable{kTextKeys};
constexpr ConfigKey kKeys[] = {{"tie_word_embeddings", true, false}};
constexpr ConfigPart kParts[] = {{"text_config", &kTextTable}};
constexpr FamilyKeys kTable{kKeys, {}, kParts};

constexpr double kGlobalTheta = 1e6;
constexpr double kLocalTheta = 1e4;

Result<LayerWindows> read_windows(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(const int64_t period, config.integer("sliding_window_pattern", 1, kMaxBlocks));
  return read_periodic_windows(config, period);
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
  // transformers ignores the first, which it takes from Gemma 2.
  for (const char* key : {"attn_logit_softcapping", "use_bidirectional_attention"}) {
    NWC_RETURN_IF_ERROR(refuse_if_set(config, key));
  }
  LlamaLike family;
  family.qk_norm = true;
  family.layer_ropes = true;
  family.activation_key = "hidden_activation";
  family.prefix = place + "model.";
  family.head = place + "lm_head.weight";
  NWC_ASSIGN_OR_RETURN(family.qkv_bias, config.boolean("attention_bias", false));
  family.o_bias = family.qkv_bias;
  NWC_ASSIGN_OR_RETURN(family.window, read_windows(config));
  NWC_ASSIGN_OR_RETURN(ModelSpec model, describe_llama_like(config, family));
  NWC_ASSIGN_OR_RETURN(const LayerRopes ropes, read_layer_ropes(config, kGlobalTheta, kLocalTheta));
  NWC_ASSIGN_OR_RETURN(const double query_scalar, config.number("query_pre_attn_scalar", 1e-6, 1e6));
  for (size_t i = 0; i < model.blocks.size(); ++i) {
    change_block(&model.blocks[i], fmt::format("{}layers.{}.", family.prefix, i), query_scalar, ropes);
  }
  model.final_norm.weight_offset = 1;
  model.embedding_scale = std::sqrt(static_cast<double>(model.hidden_size));
  return model;
}

Result<ModelSpec> describe_text(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(ModelSpec model, describe_text_model(config, ""));
  if (config.has("final_logit_softcapping")) {
    NWC_ASSIGN_OR_RETURN(model.logit_softcap, config.number("final_logit_softcapping", 1e-6, 1e6));
  }
  return model;
}

// The multi-modal model; only its language model is described, which is what is calibrated and evaluated. Whether head
// and embedding are tied, the outer configuration says, whatever the inner one does.
Result<ModelSpec> describe_multimodal(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(const ConfigObject text, config.object("text_config"));
  NWC_RETURN_IF_ERROR(refuse_if_set(text, "final_logit_softcapping"));  // which transformers ignores here
  NWC_ASSIGN_OR_RETURN(ModelSpec model, describe_text_model(text, "language_model."));
  NWC_ASSIGN_OR_RETURN(const bool tied, config.boolean("tie_word_embeddings", true));
  set_head(model, model.own_head, tied);
  return model;
}

}  // namespace

const Family kGemma3{"gemma3", describe_multimodal, nullptr, &kTable};
const Family kGemma3Text{"gemma3_text", describe_text, nullptr, &kTextTable};

}  // namespace nwc
