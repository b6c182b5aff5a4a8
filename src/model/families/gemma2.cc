// Gemma 2: soft caps on attention scores and logits, norms before and after attention and MLP that store w - 1, a
// sliding window in every other block.
#include <fmt/format.h>

#include <cmath>

#include "model/config/common_config.h"
#include "model/config/config_keys.h"
#include "model/config/llama_like.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr ConfigKey kKeys[] = {
    {"vocab_size", 256000},
    {"hidden_size", 2304},
    {"intermediate_size", 9216},
    {"num_hidden_layers", 26},
    {"num_attention_heads", 8},
    {"num_key_value_heads", 4},
    {"head_dim", 256},
    {"hidden_activation", "gelu_pytorch_tanh"},
    {"max_position_embeddings", 8192},
    {"rms_norm_eps", 1e-6},
    {"tie_word_embeddings", true},
    {"rope_theta", 1e4, Unset{}},
    {"rope_parameters", Unset{}, Unset{}},
    {"rope_scaling", Unset{}, Unset{}},
    {"attention_bias", false},
    {"query_pre_attn_scalar", 256},
    {"sliding_window", 4096, Unset{}},
    {"layer_types", Unset{}, Unset{}},
    {"final_logit_softcapping", 30.0, Unset{}},
    {"attn_logit_softcapping", 50.0, Unset{}},
    {"use_bidirectional_attention", Unset{}, Unset{}},
};
constexpr FamilyKeys kTable{kKeys};

constexpr int64_t kWindowPeriod = 2;
constexpr double kMin = 1e-6, kMax = 1e6;

// null switches a cap off.
Result<std::optional<double>> read_cap(const ConfigObject& config, const char* key) {
  if (!config.has(key)) return std::optional<double>();
  NWC_ASSIGN_OR_RETURN(const double cap, config.number(key, kMin, kMax));
  return std::optional(cap);
}

Result<ModelSpec> describe(const ConfigObject& config) {
  NWC_RETURN_IF_ERROR(refuse_if_set(config, "use_bidirectional_attention"));
  LlamaLike family;
  family.activation_key = "hidden_activation";
  NWC_ASSIGN_OR_RETURN(family.qkv_bias, config.boolean("attention_bias", false));
  family.o_bias = family.qkv_bias;
  NWC_ASSIGN_OR_RETURN(family.window, read_periodic_windows(config, kWindowPeriod));
  NWC_ASSIGN_OR_RETURN(ModelSpec model, describe_llama_like(config, family));
  NWC_ASSIGN_OR_RETURN(const double query_scalar, config.number("query_pre_attn_scalar", kMin, kMax));
  NWC_ASSIGN_OR_RETURN(const std::optional<double> score_cap, read_cap(config, "attn_logit_softcapping"));
  NWC_ASSIGN_OR_RETURN(model.logit_softcap, read_cap(config, "final_logit_softcapping"));
  for (size_t i = 0; i < model.blocks.size(); ++i) {
    BlockSpec& block = model.blocks[i];
    const auto norm = [&](const char* name) {
      NormSpec spec = *block.attention_path.norm;
      spec.weight = fmt::format("model.layers.{}.{}.weight", i, name);
      spec.weight_offset = 1;
      return spec;
    };
    block.attention_path.norm = norm("input_layernorm");
    block.attention_path.post_norm = norm("post_attention_layernorm");
    block.mlp_path.norm = norm("pre_feedforward_layernorm");
    block.mlp_path.post_norm = norm("post_feedforward_layernorm");
    block.attention.scale = 1 / std::sqrt(query_scalar);
    block.attention.softcap = score_cap;
  }
  model.final_norm.weight_offset = 1;
  model.embedding_scale = std::sqrt(static_cast<double>(model.hidden_size));
  return model;
}

}  // namespace

const Family kGemma2{"gemma2", describe, nullptr, &kTable};

}  // namespace nwc
