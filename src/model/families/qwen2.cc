// Qwen2 and Qwen2.5: Llama with biases on query, key and value only, and a sliding window on some layers if enabled.
#include "model/config/layer_window.h"
#include "model/config/llama_like.h"
#include "model/families/families.h"

namespace nwc {
namespace {

Result<ModelSpec> describe(const ConfigObject& config) {
  LlamaLike family;
  family.qkv_bias = true;
  NWC_ASSIGN_OR_RETURN(family.window, read_layer_windows(config));
  return describe_llama_like(config, family);
}

}  // namespace

const Family kQwen2{"qwen2", describe};

}  // namespace nwc
