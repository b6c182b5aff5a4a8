#include "evaluate/window_pass.h"

#include <algorithm>

#include "libtorch/foreign.h"
#include "libtorch/tensors.h"

namespace nwc {
namespace {

// Rows enough for matrix products at full speed. 4096 was measured a third slower on a small model: its temporaries are
// large enough for the allocator to map and unmap them each time.
constexpr int64_t kTokensPerBatch = 2048;
constexpr int64_t kLogits = int64_t{1} << 22;
constexpr int64_t kMinPositions = 128;  // with fewer, the head's matrix is read too often
constexpr int64_t kMaxPositions = 1024;

int64_t windows_per_batch(const Windows& windows) {
  return std::clamp<int64_t>(kTokensPerBatch / windows.context, 1, windows.count);
}

// int64 [count, context]
at::Tensor ids_of(const Windows& windows, int64_t first, int64_t count) {
  const std::span<const int32_t> ids = windows.ids.subspan(first * windows.context, count * windows.context);
  return torch::tensor(at::ArrayRef<int32_t>(ids.data(), ids.size()), torch::kInt64).view({count, windows.context});
}

}  // namespace

int64_t windows_per_group(const Windows& windows, int64_t hidden_size, bool resident, int64_t state_bytes) {
  const int64_t batch = windows_per_batch(windows);
  if (resident) return batch;
  const int64_t window_bytes = windows.context * hidden_size * static_cast<int64_t>(sizeof(float));
  return std::clamp(state_bytes / window_bytes, batch, windows.count);
}

int64_t positions_per_slice(const ModelSpec& model) {
  return std::clamp(kLogits / model.vocab_size, kMinPositions, kMaxPositions);
}

Result<std::vector<at::Tensor>> run_blocks(const CausalLm& model, const Windows& windows, int64_t first, int64_t count,
                                           Steps* steps) {
  return catch_foreign("the forward pass", [&]() -> Result<std::vector<at::Tensor>> {
    const torch::NoGradGuard no_gradients;
    std::vector<at::Tensor> batches;
    {
      NWC_ASSIGN_OR_RETURN(const auto embedding, model.embedding());
      const int64_t batch = windows_per_batch(windows);
      for (int64_t at = 0; at < count; at += batch) {
        batches.push_back(embedding->forward(ids_of(windows, first + at, std::min(batch, count - at))));
      }
    }
    for (size_t i = 0; i < model.blocks(); ++i) {
      NWC_ASSIGN_OR_RETURN(const auto block, model.block(i));
      for (at::Tensor& hidden : batches) {
        NWC_RETURN_IF_ERROR(steps->check());
        hidden = block->forward(hidden, {});
        NWC_RETURN_IF_ERROR(steps->advance(hidden.size(0)));
      }
    }
    return batches;
  });
}

}  // namespace nwc
