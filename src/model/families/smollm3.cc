// SmolLM3: Llama in which some layers have no rotary embedding (NoPE), by default every fourth.
#include <fmt/format.h>

#include "model/config/common_config.h"
#include "model/config/layer_window.h"
#include "model/config/llama_like.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr int64_t kDefaultInterval = 4;

// Whether each layer turns.
Result<std::vector<bool>> read_turning(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(const int64_t layers, config.integer("num_hidden_layers", 1, kMaxBlocks));
  NWC_ASSIGN_OR_RETURN(const int64_t interval,
                       config.integer("no_rope_layer_interval", 1, kMaxBlocks, kDefaultInterval));
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
  family.rope.theta = 2e6;
  family.defaults = {std::nullopt, 16, 4, 128256, 32768, 1e-6, /*tied=*/true};
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

const Family kSmolLm3{"smollm3", describe};

}  // namespace nwc
