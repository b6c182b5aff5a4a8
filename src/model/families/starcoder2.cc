// Starcoder2: layer norms, biases everywhere, a plain MLP of two layers, one sliding window for all layers or none.
#include <fmt/format.h>

#include "model/config/layer_window.h"
#include "model/config/llama_like.h"
#include "model/families/families.h"

namespace nwc {
namespace {

void make_layer_norm(NormSpec* norm) {
  norm->kind = NormSpec::Kind::kLayer;
  norm->bias = norm->weight.substr(0, norm->weight.rfind('.')) + ".bias";
}

Result<ModelSpec> describe(const ConfigObject& config) {
  LlamaLike family;
  family.eps_key = "norm_epsilon";
  family.default_activation = "gelu_pytorch_tanh";
  family.defaults = {std::nullopt, 24, 2, 49152, 4096, 1e-5, /*tied=*/true};
  NWC_ASSIGN_OR_RETURN(family.qkv_bias, config.boolean("use_bias", true));
  family.o_bias = family.qkv_bias;
  family.mlp_bias = family.qkv_bias;
  NWC_ASSIGN_OR_RETURN(family.window, read_common_window(config, std::nullopt));
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

const Family kStarcoder2{"starcoder2", describe};

}  // namespace nwc
