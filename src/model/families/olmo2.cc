// OLMo 2 and 3: norms stand behind attention and MLP instead of before them, and query and key are normalised over all
// heads together. OLMo 3 adds a sliding window in three of four layers, which turn by a rotary embedding of their own.
#include <fmt/format.h>

#include "model/config/llama_like.h"
#include "model/config/rope_config.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr int64_t kWindowPeriod = 4, kDefaultWindow = 4096;
constexpr double kOlmo3Theta = 5e5;

Result<ModelSpec> describe_olmo(const ConfigObject& config, LlamaLike family) {
  family.qk_norm = true;
  family.defaults.heads = 32;
  family.defaults.vocab = 50304;
  family.defaults.positions = 2048;
  family.defaults.eps = 1e-5;
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
  NWC_ASSIGN_OR_RETURN(family.window, read_periodic_windows(config, kWindowPeriod, kDefaultWindow));
  NWC_ASSIGN_OR_RETURN(ModelSpec model, describe_olmo(config, family));
  NWC_ASSIGN_OR_RETURN(const LayerRopes ropes, read_layer_ropes(config, kOlmo3Theta, kOlmo3Theta));
  for (BlockSpec& block : model.blocks) block.attention.rope = block.attention.window ? ropes.sliding : ropes.full;
  return model;
}

}  // namespace

const Family kOlmo2{"olmo2", describe_olmo2};
const Family kOlmo3{"olmo3", describe_olmo3};

}  // namespace nwc
