// Runs sequences through a model, block by block, in bounded memory; on the CPU several batches at a time, each by a
// thread of its own, so that results do not depend on the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "evaluate/steps.h"
#include "libtorch/tensor_fwd.h"
#include "model/causal_lm.h"
#include "nwcodec/result.h"

namespace nwc {

// Token ids that go through the blocks together.
struct SequenceBatch {
  std::vector<int32_t> ids;  // row after row
  int64_t rows = 1;          // of ids.size() / rows tokens each
  // One row of tokens that belong to these sequences (SequenceLayout). Empty: each row is a sequence.
  std::vector<std::vector<int64_t>> sequences;

  int64_t tokens() const { return static_cast<int64_t>(ids.size()); }
};

// How many tokens fill a matrix product. 4096 was measured a third slower on a small model: its temporaries are large
// enough for the allocator to map and unmap them each time.
inline constexpr int64_t kTokensPerBatch = 2048;

// How many batches of `tokens` tokens to take through the blocks together. Where blocks are read anew for each group,
// as many as 2 GiB of hidden states allow, so that the weights are read as few times as possible; otherwise as many as
// keep the cores busy. `hidden_size` is the sum over the models that run together, of which all must be resident to
// count as such. At least 1.
size_t batches_per_group(int64_t tokens, int64_t hidden_size, bool resident);

// The last block's outputs, float32 [rows, tokens of a row, hidden_size] each. Advances `steps` by the rows of each
// batch for each block. Errors: of loading; kInterrupted; kInternal.
Result<std::vector<at::Tensor>> run_blocks(const CausalLm& model, std::span<const SequenceBatch> batches, Steps* steps);

// Calls score(i) for each of `count` outputs of a model whose head takes `logits` numbers at a time: several at a time
// on the CPU, as far as memory for them allows. Exceptions of LibTorch become errors.
Status score_each(size_t count, bool on_cpu, int64_t logits, const std::function<Status(size_t)>& score);

// How many positions to take through the head together, so that their logits stay a few dozen MiB.
int64_t positions_per_slice(const ModelSpec& model);

}  // namespace nwc
