// Qwen3-MoE: Qwen3 with a mixture of many narrow experts in most blocks or all.
#include <fmt/format.h>

#include <algorithm>

#include "model/config/common_config.h"
#include "model/config/config_keys.h"
#include "model/config/layer_window.h"
#include "model/config/llama_like.h"
#include "model/config/mixture_config.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr ConfigKey kKeys[] = {
    {"vocab_size", 151936},
    {"hidden_size", 2048},
    {"intermediate_size", 6144},
    {"num_hidden_layers", 24},
    {"num_attention_heads", 32},
    {"num_key_value_heads", 4},
    {"head_dim", WidthPerHead{}},
    {"hidden_act", "silu"},
    {"max_position_embeddings", 32768},
    {"rms_norm_eps", 1e-6},
    {"tie_word_embeddings", false},
    {"rope_theta", 1e4, Unset{}},
    {"rope_parameters", Unset{}, Unset{}},
    {"rope_scaling", Unset{}, Unset{}},
    {"attention_bias", false},
    {"use_sliding_window", false},
    {"sliding_window", 4096, Unset{}},
    {"num_experts", 128},
    {"num_experts_per_tok", 8},
    {"moe_intermediate_size", 768},
    {"norm_topk_prob", false},
    {"decoder_sparse_step", 1},
    {"mlp_only_layers", Unset{}, Unset{}},
};
constexpr OtherName kOtherNames[] = {{"num_local_experts", "num_experts"}};
constexpr FamilyKeys kTable{kKeys, kOtherNames};

Result<ModelSpec> describe(const ConfigObject& config) {
  LlamaLike family;
  NWC_ASSIGN_OR_RETURN(family.qkv_bias, config.boolean("attention_bias", false));
  family.o_bias = family.qkv_bias;
  family.qk_norm = true;
  NWC_ASSIGN_OR_RETURN(const bool slides, config.boolean("use_sliding_window", false));
  if (slides) {  // in all layers, whatever layer_types and max_window_layers say
    NWC_ASSIGN_OR_RETURN(family.window, read_common_window(config));
  }
  NWC_ASSIGN_OR_RETURN(ModelSpec model, describe_llama_like(config, family));

  NWC_ASSIGN_OR_RETURN(const MixtureSize size, read_mixture_size(config, "num_experts"));
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

const Family kQwen3Moe{"qwen3_moe", describe, nullptr, &kTable};

}  // namespace nwc
