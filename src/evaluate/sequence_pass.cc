#include "evaluate/sequence_pass.h"

#include <algorithm>
#include <memory>

#include "libtorch/foreign.h"
#include "libtorch/tensors.h"
#include "libtorch/threads.h"
#include "model/layers/sequence_layout.h"

namespace nwc {
namespace {

constexpr size_t kResidentBatches = 64;
constexpr int64_t kStateBytes = int64_t{2} << 30;  // of hidden states
constexpr int64_t kWorkBytes = int64_t{4} << 30;   // of what all threads have in hand
constexpr int64_t kLogits = int64_t{1} << 22;
constexpr int64_t kMinPositions = 128;  // with fewer, the head's matrix is read too often
constexpr int64_t kMaxPositions = 1024;

// How many pieces of work of `floats` numbers each to have in hand.
size_t pieces_in_hand(bool on_cpu, int64_t floats) {
  if (!on_cpu) return 1;
  return static_cast<size_t>(
      std::max<int64_t>(1, kWorkBytes / (std::max<int64_t>(1, floats) * static_cast<int64_t>(sizeof(float)))));
}

// About the most numbers that a block holds at a time beside its input and output, for each token.
int64_t width_of(const BlockSpec& block) {
  int64_t widest = 0;
  for (const BlockLinear& layer : linears_of(block))
    widest = std::max({widest, layer.linear.in_features, layer.linear.out_features});
  return 4 * widest;
}

struct Running {
  at::Tensor hidden;
  std::unique_ptr<const SequenceLayout> layout;  // nullptr for none
};

Running begin(const Embedding& embedding, const SequenceBatch& batch) {
  const at::Tensor ids =
      torch::tensor(at::ArrayRef<int32_t>(batch.ids.data(), batch.ids.size()), torch::kInt64).view({batch.rows, -1});
  Running running{embedding.forward(ids), nullptr};
  if (!batch.sequences.empty())
    running.layout = std::make_unique<const SequenceLayout>(batch.sequences, batch.tokens(), running.hidden);
  return running;
}

}  // namespace

size_t batches_per_group(int64_t tokens, int64_t hidden_size, bool resident) {
  const int64_t batch_bytes = std::max<int64_t>(1, tokens * hidden_size * static_cast<int64_t>(sizeof(float)));
  const auto fitting = static_cast<size_t>(std::max<int64_t>(1, kStateBytes / batch_bytes));
  return resident ? std::min(fitting, kResidentBatches) : fitting;
}

int64_t positions_per_slice(const ModelSpec& model) {
  return std::clamp(kLogits / model.vocab_size, kMinPositions, kMaxPositions);
}

Status score_each(size_t count, bool on_cpu, int64_t logits, const std::function<Status(size_t)>& score) {
  return for_each_on_cores(count, pieces_in_hand(on_cpu, logits), [&](size_t i) {
    return catch_foreign("scoring", [&] {
      const torch::NoGradGuard no_gradients;
      return score(i);
    });
  });
}

Result<std::vector<at::Tensor>> run_blocks(const CausalLm& model, std::span<const SequenceBatch> batches,
                                           Steps* steps) {
  return catch_foreign("the forward pass", [&]() -> Result<std::vector<at::Tensor>> {
    const torch::NoGradGuard no_gradients;
    std::vector<Running> running;
    int64_t tokens = 0;
    {
      NWC_ASSIGN_OR_RETURN(const auto embedding, model.embedding());
      for (const SequenceBatch& batch : batches) {
        running.push_back(begin(*embedding, batch));
        tokens = std::max(tokens, batch.tokens());
      }
    }
    const bool on_cpu = running.empty() || running[0].hidden.is_cpu();
    for (size_t i = 0; i < model.blocks(); ++i) {
      NWC_ASSIGN_OR_RETURN(const auto block, model.block(i));
      const size_t in_hand = pieces_in_hand(on_cpu, tokens * width_of(model.spec().blocks[i]));
      NWC_RETURN_IF_ERROR(for_each_on_cores(running.size(), in_hand, [&](size_t b) {
        return catch_foreign("the forward pass", [&]() -> Status {
          const torch::NoGradGuard no_gradients_here;
          NWC_RETURN_IF_ERROR(steps->check());
          running[b].hidden = block->forward(running[b].hidden, {.layout = running[b].layout.get()});
          return steps->advance(batches[b].rows);
        });
      }));
    }
    std::vector<at::Tensor> outputs;
    for (Running& batch : running) outputs.push_back(std::move(batch.hidden));
    return outputs;
  });
}

}  // namespace nwc
