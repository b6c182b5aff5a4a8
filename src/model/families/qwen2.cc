// Qwen2 and Qwen2.5: Llama with biases on query, key and value only, and a sliding window on some layers if enabled.
#include "model/config/config_keys.h"
#include "model/config/layer_window.h"
#include "model/config/llama_like.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr ConfigKey kKeys[] = {
    {"vocab_size", 151936},
    {"hidden_size", 4096},
    {"intermediate_size", 22016},
    {"num_hidden_layers", 32},
    {"num_attention_heads", 32},
    {"num_key_value_heads", 32, SameAs("num_attention_heads")},
    {"head_dim", WidthPerHead{}},
    {"hidden_act", "silu"},
    {"max_position_embeddings", 32768},
    {"rms_norm_eps", 1e-6},
    {"tie_word_embeddings", false},
    {"rope_theta", 1e4, Unset{}},
    {"rope_parameters", Unset{}, Unset{}},
    {"rope_scaling", Unset{}, Unset{}},
    {"use_sliding_window", false},
    {"sliding_window", 4096, Unset{}},
    {"max_window_layers", 28},
    {"layer_types", Unset{}, Unset{}},
};
constexpr FamilyKeys kTable{kKeys};

Result<ModelSpec> describe(const ConfigObject& config) {
  LlamaLike family;
  family.qkv_bias = true;
  NWC_ASSIGN_OR_RETURN(family.window, read_layer_windows(config));
  return describe_llama_like(config, family);
}

}  // namespace

const Family kQwen2{"qwen2", describe, nullptr, &kTable};

}  // namespace nwc
