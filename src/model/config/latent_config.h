// Latent attention (MLA) from config.json, in the names of DeepSeek and of its descendants.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/config/block_spec.h"
#include "model/config/config.h"

namespace nwc {

struct LatentSize {
  std::optional<int64_t> q_rank;  // none: queries come straight from the block's input
  int64_t kv_rank = 0;
  int64_t fixed_dim = 0, rotary_dim = 0;  // of a query's and a key's head
  int64_t value_dim = 0;                  // of a value's
};

// Reads q_lora_rank (null for none), kv_lora_rank, qk_nope_head_dim, qk_rope_head_dim and v_head_dim. Errors: as
// ConfigObject.
Result<LatentSize> read_latent_size(const ConfigObject& config);

// Turns an attention of separate layers, of which heads, kv_heads, width and RoPE count, into a latent one. `bias` is
// that of the layers that read or write the width of the block. Errors: kUnsupported where heads share keys.
Status make_latent(const ConfigObject& config, const LatentSize& size, const std::string& prefix, bool bias,
                   AttentionSpec* attention);

}  // namespace nwc
