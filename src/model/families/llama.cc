// Llama 1 to 3: heads may share keys and values, head and embedding may be tied, RoPE may be scaled.
#include "model/config/llama_like.h"
#include "model/families/families.h"

namespace nwc {
namespace {

Result<ModelSpec> describe(const ConfigObject& config) {
  LlamaLike family;
  NWC_ASSIGN_OR_RETURN(family.qkv_bias, config.boolean("attention_bias", false));
  family.o_bias = family.qkv_bias;
  NWC_ASSIGN_OR_RETURN(family.mlp_bias, config.boolean("mlp_bias", false));
  return describe_llama_like(config, family);
}

}  // namespace

const Family kLlama{"llama", describe};

}  // namespace nwc
