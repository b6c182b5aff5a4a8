// Mistral: Llama with one sliding window for all layers; null switches it off, absence means 4096.
#include "model/config/config_keys.h"
#include "model/config/layer_window.h"
#include "model/config/llama_like.h"
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
    {"rms_norm_eps", 1e-6},
    {"tie_word_embeddings", false},
    {"rope_theta", 1e4, Unset{}},
    {"rope_parameters", Unset{}, Unset{}},
    {"rope_scaling", Unset{}, Unset{}},
    {"sliding_window", 4096, Unset{}},
};
constexpr FamilyKeys kTable{kKeys};

Result<ModelSpec> describe(const ConfigObject& config) {
  LlamaLike family;
  NWC_ASSIGN_OR_RETURN(family.window, read_common_window(config));
  return describe_llama_like(config, family);
}

}  // namespace

const Family kMistral{"mistral", describe, nullptr, &kTable};

}  // namespace nwc
