// Mistral: Llama with one sliding window for all layers; null switches it off, absence means 4096.
#include "model/families/families.h"
#include "model/llama_like.h"

namespace nwc {
namespace {

constexpr int64_t kMaxWindow = int64_t{1} << 31;
constexpr int64_t kDefaultWindow = 4096;

Result<ModelSpec> describe(const ConfigObject& config) {
  LlamaLike family;
  if (config.has("sliding_window") || !config.mentions("sliding_window")) {
    NWC_ASSIGN_OR_RETURN(const int64_t window, config.integer("sliding_window", 1, kMaxWindow, kDefaultWindow));
    family.window = [window](int64_t) { return window; };
  }
  return describe_llama_like(config, family);
}

}  // namespace

const Family kMistral{"mistral", describe};

}  // namespace nwc
