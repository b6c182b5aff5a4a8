// Qwen3: normalised query and key heads, no biases by default, heads of 128 unless config.json says otherwise.
#include "model/config/layer_window.h"
#include "model/config/llama_like.h"
#include "model/families/families.h"

namespace nwc {
namespace {

Result<ModelSpec> describe(const ConfigObject& config) {
  LlamaLike family;
  NWC_ASSIGN_OR_RETURN(family.qkv_bias, config.boolean("attention_bias", false));
  family.o_bias = family.qkv_bias;
  family.qk_norm = true;
  family.defaults.head_dim = 128;
  NWC_ASSIGN_OR_RETURN(family.window, read_layer_windows(config));
  return describe_llama_like(config, family);
}

}  // namespace

const Family kQwen3{"qwen3", describe};

}  // namespace nwc
