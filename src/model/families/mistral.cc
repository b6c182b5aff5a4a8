// Mistral: Llama with one sliding window for all layers; null switches it off, absence means 4096.
#include "model/config/layer_window.h"
#include "model/config/llama_like.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr int64_t kDefaultWindow = 4096;

Result<ModelSpec> describe(const ConfigObject& config) {
  LlamaLike family;
  NWC_ASSIGN_OR_RETURN(family.window, read_common_window(config, kDefaultWindow));
  return describe_llama_like(config, family);
}

}  // namespace

const Family kMistral{"mistral", describe};

}  // namespace nwc
