// Mixtral: Mistral with a mixture of experts in every block.
#include <fmt/format.h>

#include "model/config/llama_like.h"
#include "model/config/mixture_config.h"
#include "model/families/families.h"

namespace nwc {
namespace {

Result<ModelSpec> describe(const ConfigObject& config) {
  LlamaLike family;
  NWC_ASSIGN_OR_RETURN(family.window, read_common_window(config, std::nullopt));
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

const Family kMixtral{"mixtral", describe};

}  // namespace nwc
