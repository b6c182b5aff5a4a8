// SmolLM3: Llama in which some layers have no rotary embedding (NoPE), by default every fourth.
#include <fmt/format.h>

#include "model/config/common_config.h"
#include "model/config/config_keys.h"
#include "model/config/layer_window.h"
#include "model/config/llama_like.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr ConfigKey kKeys[] = {
    {"vocab_size", 128256},
    {"hidden_size", 2048},
    {"intermediate_size", 11008},
    {"num_hidden_layers", 36},
    {"num_attention_heads", 16},
    {"num_key_value_heads", 4, SameAs("num_attention_heads")},
    {"head_dim", WidthPerHead{}},
    {"hidden_act", "silu"},
    {"max_position_embeddings", 32768},
    {"rms_norm_eps", 1e-6},
    {"tie_word_embeddings", true},
    {"rope_theta", 2e6, Unset{}},
    {"rope_parameters", Unset{}, Unset{}},
    {"rope_scaling", Unset{}, Unset{}},
    {"attention_bias", false},
    {"mlp_bias", false},
    {"use_sliding_window", false},
    {"sliding_window", Unset{}, Unset{}},
    {"no_rope_layers", Unset{}, Unset{}},
    {"no_rope_layer_interval", 4},
    {"layer_types", Unset{}, Unset{}},
};
constexpr FamilyKeys kTable{kKeys};

// Whether each layer turns.
Result<std::vector<bool>> read_turning(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(const int64_t layers, config.integer("num_hidden_layers", 1, kMaxBlocks));
  NWC_ASSIGN_OR_RETURN(const int64_t interval, config.integer("no_rope_layer_interval", 1, kMaxBlocks));
  NWC_ASSIGN_OR_RETURN(const std::vector<int64_t> given, config.integers("no_rope_layers", 0, 1));
  if (config.has("no_rope_layers") && static_cast<int64_t>(given.size()) < layers) {
    return config.error(ErrorCode::kCorrupt, "no_rope_layers",
                        fmt::format("has {} entries for {} layers", given.size(), layers));
  }
  std::vector<bool> turning;
  for (int64_t i = 0; i < layers; ++i) {
    turning.push_back(given.empty() ? (i + 1) % interval != 0 : given[static_cast<size_t>(i)] == 1);
  }
  return turning;
}

Result<ModelSpec> describe(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(const std::vector<bool> turning, read_turning(config));
  LlamaLike family;
  NWC_ASSIGN_OR_RETURN(family.qkv_bias, config.boolean("attention_bias", false));
  family.o_bias = family.qkv_bias;
  NWC_ASSIGN_OR_RETURN(family.mlp_bias, config.boolean("mlp_bias", false));
  NWC_ASSIGN_OR_RETURN(family.window, read_chosen_windows(config, [turning](int64_t i) { return !turning[i]; }));
  NWC_ASSIGN_OR_RETURN(ModelSpec model, describe_llama_like(config, family));
  for (size_t i = 0; i < model.blocks.size(); ++i) {
    if (!turning[i]) model.blocks[i].attention.rope.reset();
  }
  return model;
}

}  // namespace

const Family kSmolLm3{"smollm3", describe, nullptr, &kTable};

}  // namespace nwc
