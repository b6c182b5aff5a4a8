// Runs windows through a model, block by block, in bounded memory.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "evaluate/steps.h"
#include "evaluate/windows.h"
#include "libtorch/tensor_fwd.h"
#include "model/causal_lm.h"
#include "nwcodec/result.h"

namespace nwc {

// How many windows to take through the blocks together. Resident models take as many as fill a matrix product; where
// blocks are read anew for each group, as many as `state_bytes` of hidden states allow, so that the weights are read as
// few times as possible. `hidden_size` is the sum over the models that run together, of which all must be resident to
// count as such.
int64_t windows_per_group(const Windows& windows, int64_t hidden_size, bool resident, int64_t state_bytes);

// The last block's outputs of windows [first, first + count): a list of float32 [some windows, context, hidden_size].
// Advances `steps` by one per window and block. Errors: of loading; kInterrupted; kInternal.
Result<std::vector<at::Tensor>> run_blocks(const CausalLm& model, const Windows& windows, int64_t first, int64_t count,
                                           Steps* steps);

// How many positions to take through the head together, so that their logits stay a few dozen MiB.
int64_t positions_per_slice(const ModelSpec& model);

}  // namespace nwc
