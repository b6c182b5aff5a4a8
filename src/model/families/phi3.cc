// Phi-3 and Phi-4: query, key and value in one layer, gate and up in one, RoPE over a part of each head, LongRoPE.
#include "model/config/layer_window.h"
#include "model/config/llama_like.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr int64_t kDefaultPositions = 4096;

Result<ModelSpec> describe(const ConfigObject& config) {
  LlamaLike family;
  family.fused_qkv = true;
  family.fused_gate_up = true;
  family.rope.partial = 1;
  family.rope.only_long_positions = kDefaultPositions;
  family.defaults.heads = 32;
  family.defaults.vocab = 32064;
  family.defaults.positions = kDefaultPositions;
  family.defaults.eps = 1e-5;
  NWC_ASSIGN_OR_RETURN(family.window, read_common_window(config, std::nullopt));
  return describe_llama_like(config, family);
}

}  // namespace

const Family kPhi3{"phi3", describe};

}  // namespace nwc
