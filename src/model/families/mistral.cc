// Mistral: Llama with one sliding window for all layers; null switches it off, absence means 4096. Ministral: only the
// layers slide that `layer_types` names, where it is given; transformers takes a Mistral with that key for one.
#include <algorithm>
#include <array>
#include <iterator>

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

// Its class breaks where these are null.
constexpr std::array kMinistralKeys = [] {
  std::array<ConfigKey, std::size(kKeys) + 1> keys{};
  std::copy(std::begin(kKeys), std::end(kKeys), keys.begin());
  for (ConfigKey& key : keys) {
    if (key.name == "head_dim" || key.name == "sliding_window") key.null = Refused{};
  }
  keys.back() = {"layer_types", Unset{}, Unset{}};
  return keys;
}();
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
