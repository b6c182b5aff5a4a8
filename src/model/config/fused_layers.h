// Layers that a checkpoint stores in one tensor where the description has several, or the reverse.
#pragma once

#include "model/config/block_spec.h"
#include "nwcodec/result.h"

namespace nwc {

class StoredNames;

// Changes the description of a block, which has the checkpoint's names, to what the checkpoint has in the place of
// gate_proj and up_proj, or of q_proj, k_proj and v_proj, or has gates where the description has one layer for both:
//   - "...experts.gate_up_proj" [experts, 2 * width, hidden] and "...experts.down_proj" [experts, hidden, width], as
//     transformers 5 holds the experts of Mixtral and Qwen3-MoE;
//   - "...mlp.gate_up_proj.weight" [2 * width, hidden], and ".bias" if the layers have biases;
//   - "...self_attn.qkv_proj.weight" [queries + keys + values, hidden], and ".bias" if those have biases;
//   - "...mlp.gate_proj.weight" and "...mlp.up_proj.weight" [width, hidden], and biases.
// Gates come first in what is fused. Errors: those of StoredNames::find().
Status fuse_as_stored(BlockSpec& block, const StoredNames& stored);

}  // namespace nwc
