// Starcoder2: layer norms, biases everywhere, a plain MLP of two layers, one sliding window for all layers or none.
#include <fmt/format.h>

#include "model/config/config_keys.h"
#include "model/config/layer_window.h"
#include "model/config/llama_like.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr ConfigKey kKeys[] = {
    {"vocab_size", 49152},
    {"hidden_size", 3072},
    {"intermediate_size", 12288},
    {"num_hidden_layers", 30},
    {"num_attention_heads", 24},
    {"num_key_value_heads", 2},
    {"head_dim", WidthPerHead{}, WidthPerHead{}},
    {"hidden_act", "gelu_pytorch_tanh"},
    {"max_position_embeddings", 4096},
    {"norm_epsilon", 1e-5},
    {"tie_word_embeddings", true},
    {"rope_theta", 1e4, Unset{}},
    {"rope_parameters", Unset{}, Unset{}},
    {"rope_scaling", Unset{}, Unset{}},
    {"use_bias", true},
    {"sliding_window", Unset{}, Unset{}},
};
constexpr FamilyKeys kTable{kKeys};

void make_layer_norm(NormSpec* norm) {
  norm->kind = NormSpec::Kind::kLayer;
  norm->bias = norm->weight.substr(0, norm->weight.rfind('.')) + ".bias";
}

Result<ModelSpec> describe(const ConfigObject& config) {
  LlamaLike family;
  family.eps_key = "norm_epsilon";
  NWC_ASSIGN_OR_RETURN(family.qkv_bias, config.boolean("use_bias", true));
  family.o_bias = family.qkv_bias;
  family.mlp_bias = family.qkv_bias;
  NWC_ASSIGN_OR_RETURN(family.window, read_common_window(config));
  NWC_ASSIGN_OR_RETURN(ModelSpec model, describe_llama_like(config, family));
  make_layer_norm(&model.final_norm);
  for (size_t i = 0; i < model.blocks.size(); ++i) {
    BlockSpec& block = model.blocks[i];
    make_layer_norm(&*block.attention_path.norm);
    make_layer_norm(&*block.mlp_path.norm);
    const GatedMlpSpec gated = std::get<GatedMlpSpec>(block.mlp);
    const auto named = [&](LinearSpec linear, const char* name) {
      const std::string prefix = fmt::format("model.layers.{}.mlp.{}", i, name);
      linear.weight = prefix + ".weight";
      if (!linear.bias.empty()) linear.bias = prefix + ".bias";
      return linear;
    };
    block.mlp = PlainMlpSpec{named(gated.up, "c_fc"), named(gated.down, "c_proj"), gated.rule.activation};
  }
  return model;
}

}  // namespace

const Family kStarcoder2{"starcoder2", describe, nullptr, &kTable};

}  // namespace nwc
