// Phi-3 and Phi-4: query, key and value in one layer, gate and up in one, RoPE over a part of each head, LongRoPE.
#include "model/config/config_keys.h"
#include "model/config/layer_window.h"
#include "model/config/llama_like.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr ConfigKey kKeys[] = {
    {"vocab_size", 32064},
    {"hidden_size", 3072},
    {"intermediate_size", 8192},
    {"num_hidden_layers", 32},
    {"num_attention_heads", 32},
    {"num_key_value_heads", SameAs("num_attention_heads"), SameAs("num_attention_heads")},
    {"head_dim", WidthPerHead{}},
    {"hidden_act", "silu"},
    {"max_position_embeddings", 4096},
    {"rms_norm_eps", 1e-5},
    {"tie_word_embeddings", false},
    {"rope_theta", 1e4, Unset{}},
    {"rope_parameters", Unset{}, Unset{}},
    {"rope_scaling", Unset{}, Unset{}},
    {"original_max_position_embeddings", 4096},
    {"sliding_window", Unset{}, Unset{}},
};
constexpr FamilyKeys kTable{kKeys};

Result<ModelSpec> describe(const ConfigObject& config) {
  LlamaLike family;
  family.fused_qkv = true;
  family.fused_gate_up = true;
  family.rope.partial = 1;
  family.rope.only_long = true;
  NWC_ASSIGN_OR_RETURN(family.window, read_common_window(config));
  return describe_llama_like(config, family);
}

}  // namespace

const Family kPhi3{"phi3", describe, nullptr, &kTable};

}  // namespace nwc
