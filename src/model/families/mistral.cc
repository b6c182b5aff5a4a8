// Mistral: Llama with one sliding window for all layers; null switches it off, absence means 4096. Ministral: only the
// layers slide that `layer_types` names, where it is given; transformers takes a Mistral with that key for one.
#include <array>
#include <iterator>
#include <utility>

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
constexpr FamilyKeys kMistralTable{kKeys};

// Ministral's class breaks where these are null.
constexpr ConfigKey of_ministral(const ConfigKey& key) {
  const bool breaks = key.name == "head_dim" || key.name == "sliding_window";
  return {key.name, key.absent, breaks ? KeyMeaning(Refused{}) : key.null};
}
template <size_t... kIndices>
constexpr std::array<ConfigKey, sizeof...(kIndices) + 1> ministral_keys(std::index_sequence<kIndices...>) {
  return {of_ministral(kKeys[kIndices])..., ConfigKey{"layer_types", Unset{}, Unset{}}};
}
constexpr std::array kMinistralKeys = ministral_keys(std::make_index_sequence<std::size(kKeys)>{});
constexpr FamilyKeys kMinistralTable{kMinistralKeys};

Result<ModelSpec> describe(const ConfigObject& config) {
  LlamaLike family;
  NWC_ASSIGN_OR_RETURN(family.window, read_listed_windows(config));
  return describe_llama_like(config, family);
}

}  // namespace

const Family kMistral{"mistral", describe, nullptr, &kMistralTable};
const Family kMinistral{"ministral", describe, nullptr, &kMinistralTable};

}  // namespace nwc
