// The training loop of polishing. Includes LibTorch: private to src/polish.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "libtorch/tensors.h"
#include "model/causal_lm.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "polish/factored_source.h"
#include "polish/polish.h"
#include "polish/training_state.h"

namespace nwc {

inline constexpr double kLeastGain = 1e-6;  // in nats: more than rounding in float32 feigns

// What both models are, and what is trained on.
struct PolishModels {
  const CausalLm& reference;
  const CausalLm& compressed;  // reads from `source`
  FactoredSource& source;
  const Factors& factors;
};

// Adam (Kingma and Ba, 2015) on all factors at once, with a short warm-up and a cosine. Eight times, and at the end,
// theta is rounded as it is stored and `measure`d. After a setback the training goes on from the best state at half the
// rate; three in a row end it. `keep` gets the state after each. Precondition: the state's vectors have factors.count()
// numbers. Errors: kInterrupted; those of both.
Status train_factors(const PolishModels& models, const PolishOptions& options,
                     std::span<const std::vector<int32_t>> texts, TrainingState& state,
                     const std::function<Result<double>(const at::Tensor& theta)>& measure,
                     const std::function<Status(const TrainingState&)>& keep, const Progress& progress);

}  // namespace nwc
