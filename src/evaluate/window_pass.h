// Runs windows through a model, block by block, in bounded memory.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "evaluate/control.h"
#include "evaluate/windows.h"
#include "model/causal_lm.h"
#include "model/tensor_fwd.h"
#include "nwcodec/result.h"

namespace nwc {

// How many windows to take through the blocks together. A resident model takes as many as fill a matrix product; one
// whose blocks are read anew each time takes as many as `state_bytes` of hidden states allow, so that the weights are
// read as few times as possible.
int64_t windows_per_group(const CausalLm& model, const Windows& windows, int64_t state_bytes);

// The last block's outputs of windows [first, first + count): a list of float32 [some windows, context, hidden_size].
// Advances `steps` by one per window and block. Errors: of loading; kInterrupted; kInternal.
Result<std::vector<at::Tensor>> run_blocks(const CausalLm& model, const Windows& windows, int64_t first, int64_t count,
                                           Steps* steps);

// How many positions to take through the head together, so that their logits stay a few dozen MiB.
int64_t positions_per_slice(const ModelSpec& model);

}  // namespace nwc
