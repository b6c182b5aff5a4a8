// Qwen3-MoE: Qwen3 with a mixture of many narrow experts in most blocks or all.
#include <fmt/format.h>

#include <algorithm>

#include "model/config/common_config.h"
#include "model/config/llama_like.h"
#include "model/config/mixture_config.h"
#include "model/families/families.h"

namespace nwc {
namespace {

Result<ModelSpec> describe(const ConfigObject& config) {
  LlamaLike family;
  NWC_ASSIGN_OR_RETURN(family.qkv_bias, config.boolean("attention_bias", false));
  family.o_bias = family.qkv_bias;
  family.qk_norm = true;
  NWC_ASSIGN_OR_RETURN(family.window, read_layer_windows(config));
  NWC_ASSIGN_OR_RETURN(ModelSpec model, describe_llama_like(config, family));

  const char* experts_key = config.has("num_local_experts") ? "num_local_experts" : "num_experts";
  NWC_ASSIGN_OR_RETURN(const MixtureSize size, read_mixture_size(config, experts_key));
  NWC_ASSIGN_OR_RETURN(const int64_t width, read_width(config, "moe_intermediate_size"));
  NWC_ASSIGN_OR_RETURN(const bool renormalise, config.boolean("norm_topk_prob", false));
  NWC_ASSIGN_OR_RETURN(const int64_t period, config.integer("decoder_sparse_step", 1, kMaxBlocks, 1));
  NWC_ASSIGN_OR_RETURN(const std::vector<int64_t> dense, config.integers("mlp_only_layers", 0, kMaxBlocks));
  for (size_t i = 0; i < model.blocks.size(); ++i) {
    const int64_t layer = static_cast<int64_t>(i);
    if ((layer + 1) % period != 0 || std::find(dense.begin(), dense.end(), layer) != dense.end()) continue;
    MixtureSpec mixture =
        describe_mixture(size, fmt::format("model.layers.{}.mlp", i), {"gate", "gate_proj", "up_proj", "down_proj"},
                         std::get<GatedMlpSpec>(model.blocks[i].mlp), width);
    mixture.renormalise = renormalise;
    model.blocks[i].mlp = std::move(mixture);
  }
  return model;
}

}  // namespace

const Family kQwen3Moe{"qwen3_moe", describe};

}  // namespace nwc
