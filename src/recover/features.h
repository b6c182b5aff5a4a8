// What goes into the blocks of the uncompressed model, and what comes out. Includes LibTorch: private to src/recover.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "libtorch/tensors.h"
#include "model/causal_lm.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

// Calls body(item) for each item on `threads` threads, with one thread of LibTorch each, so that nothing depends on how
// many there are. The first error (lowest item) or exception of LibTorch is returned.
Status for_each_sequence(size_t items, int threads, const std::function<Status(size_t)>& body);

// Holds the hidden states of all sequences at one block and walks forward through the model. Not thread-safe.
class Features {
 public:
  // On the model's device; threads > 1 only on the CPU.
  Features(std::shared_ptr<const CausalLm> model, std::vector<std::vector<int32_t>> sequences, int threads)
      : model_(std::move(model)), sequences_(std::move(sequences)), threads_(threads) {}

  // Goes to block `index`, not before the one it is at. Errors: those of the model; kInterrupted.
  Status advance_to(size_t index, const Progress& progress);
  // Of each sequence, float32 [1, length, hidden_size].
  const std::vector<at::Tensor>& inputs() const { return inputs_; }
  const std::vector<at::Tensor>& outputs() const { return outputs_; }

 private:
  Status embed();
  Status run_block(const Progress& progress);  // inputs_ to outputs_
  std::shared_ptr<const CausalLm> model_;
  std::vector<std::vector<int32_t>> sequences_;
  int threads_;
  size_t block_ = 0;
  std::vector<at::Tensor> inputs_, outputs_;  // empty before the first advance_to()
};

}  // namespace nwc
