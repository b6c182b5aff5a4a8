// One step's gradient: of the KL divergence of the whole model's outputs from the original's, a block at a time.
// Includes LibTorch: private to src/polish.
#pragma once

#include <cstdint>
#include <vector>

#include "libtorch/tensors.h"
#include "model/causal_lm.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "polish/factored_source.h"

namespace nwc {

struct DivergenceGradient {
  double divergence = 0;  // mean over all positions, nats
  at::Tensor theta;       // of the mean
};

// Both models take the sequences through their blocks; then the compressed one goes back from the last block, each
// computed again with gradients (recomputation). `compressed` reads its parameters from `source`. Memory, on the
// device: one block of each model, the compressed one's with gradients, activations of one sequence, and for each
// block the hidden states of all sequences, which are kept beside a GPU where they are many. Errors: those of the
// models; kNonFinite; kInterrupted.
Result<DivergenceGradient> divergence_gradient(const CausalLm& reference, const CausalLm& compressed,
                                               FactoredSource& source, const at::Tensor& theta,
                                               const std::vector<std::vector<int32_t>>& sequences,
                                               const Progress& progress);

}  // namespace nwc
