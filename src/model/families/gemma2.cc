// Gemma 2: soft caps on attention scores and logits, norms before and after attention and MLP that store w - 1, a
// sliding window in every other block.
#include <fmt/format.h>

#include <cmath>

#include "model/config/common_config.h"
#include "model/config/llama_like.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr int64_t kWindowPeriod = 2, kDefaultWindow = 4096;
constexpr double kDefaultQueryScalar = 256, kDefaultScoreCap = 50, kDefaultLogitCap = 30;
constexpr double kMin = 1e-6, kMax = 1e6;

// null switches a cap off; absence means the default.
Result<std::optional<double>> read_cap(const ConfigObject& config, const char* key, double fallback) {
  if (config.mentions(key) && !config.has(key)) return std::optional<double>();
  NWC_ASSIGN_OR_RETURN(const double cap, config.number(key, kMin, kMax, fallback));
  return std::optional(cap);
}

Result<ModelSpec> describe(const ConfigObject& config) {
  NWC_RETURN_IF_ERROR(refuse_if_set(config, "use_bidirectional_attention"));
  LlamaLike family;
  family.activation_key = "hidden_activation";
  family.default_activation = "gelu_pytorch_tanh";
  family.defaults = {256, 8, 4, 256000, 8192, 1e-6, /*tied=*/true};
  NWC_ASSIGN_OR_RETURN(family.qkv_bias, config.boolean("attention_bias", false));
  family.o_bias = family.qkv_bias;
  NWC_ASSIGN_OR_RETURN(family.window, read_periodic_windows(config, kWindowPeriod, kDefaultWindow));
  NWC_ASSIGN_OR_RETURN(ModelSpec model, describe_llama_like(config, family));
  NWC_ASSIGN_OR_RETURN(const double query_scalar,
                       config.number("query_pre_attn_scalar", kMin, kMax, kDefaultQueryScalar));
  NWC_ASSIGN_OR_RETURN(const std::optional<double> score_cap,
                       read_cap(config, "attn_logit_softcapping", kDefaultScoreCap));
  NWC_ASSIGN_OR_RETURN(model.logit_softcap, read_cap(config, "final_logit_softcapping", kDefaultLogitCap));
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

const Family kGemma2{"gemma2", describe};

}  // namespace nwc
