// Mixtral: Mistral with a mixture of experts in every block.
#include <fmt/format.h>

#include "model/config/config_keys.h"
#include "model/config/llama_like.h"
#include "model/config/mixture_config.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr ConfigKey kKeys[] = {
    {"vocab_size", 32000},
    {"hidden_size", 4096},
    {"intermediate_size", 14336},
    {"num_hidden_layers", 32},
    {"num_attention_heads", 32},
    {"num_key_value_heads", 8},
    {"head_dim", WidthPerHead{}, WidthPerHead{}},
    {"hidden_act", "silu"},
    {"max_position_embeddings", 131072},
    {"rms_norm_eps", 1e-5},
    {"tie_word_embeddings", false},
    {"rope_theta", 1e6, Unset{}},
    {"rope_parameters", Unset{}, Unset{}},
    {"rope_scaling", Unset{}, Unset{}},
    {"sliding_window", Unset{}, Unset{}},
    {"num_local_experts", 8},
    {"num_experts_per_tok", 2},
};
constexpr OtherName kOtherNames[] = {{"num_experts", "num_local_experts"}};
constexpr FamilyKeys kTable{kKeys, kOtherNames};

Result<ModelSpec> describe(const ConfigObject& config) {
  LlamaLike family;
  NWC_ASSIGN_OR_RETURN(family.window, read_common_window(config));
  NWC_ASSIGN_OR_RETURN(ModelSpec model, describe_llama_like(config, family));
  NWC_ASSIGN_OR_RETURN(const MixtureSize size, read_mixture_size(config, "num_local_experts"));
  for (size_t i = 0; i < model.blocks.size(); ++i) {
    const GatedMlpSpec dense = std::get<GatedMlpSpec>(model.blocks[i].mlp);
    model.blocks[i].mlp = describe_mixture(size, fmt::format("model.layers.{}.block_sparse_moe", i),
                                           {"gate", "w1", "w3", "w2"}, dense, dense.gate.out_features);
  }
  return model;
}

}  // namespace

const Family kMixtral{"mixtral", describe, nullptr, &kTable};

}  // namespace nwc
