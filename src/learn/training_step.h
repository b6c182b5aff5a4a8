// One signature for the two ways to take a training step: LibTorch's autograd on the CPU (learn/autograd_step.cc), and
// CUDA kernels of our own beside cuBLAS (cuda/train/fused_step.cc). Private to src/learn.
#pragma once

#include <cstdint>
#include <memory>

#include "learn/networks.h"
#include "learn/train.h"
#include "nwcodec/result.h"

namespace nwc {

// What is trained.
struct Networks {
  TransformNet analysis{nullptr}, synthesis{nullptr};
  FactorizedDensity density{nullptr};
};

// Not thread-safe. Methods may throw what LibTorch throws.
class TrainingStep {
 public:
  virtual ~TrainingStep() = default;
  // Takes step number `step` (from 0 on), which seeds its chunks and noise: a run that stops and goes on sees the same
  // as one that does not.
  virtual void advance(int64_t step) = 0;
  // Of the steps since it was last asked; waits for them.
  virtual double mean_loss() = 0;
  // The optimisers' state, after all steps taken so far; the networks are saved by their owner, who may read them once
  // this has returned.
  virtual void save(torch::serialize::OutputArchive& archive) = 0;
  virtual void load(torch::serialize::InputArchive& archive) = 0;
};

// With the linear start the networks begin near their goal and the density does not: it learns so many times faster.
inline constexpr double kDensityRate = 10.0;

// Mean over a batch of rate / coefficient + lambda * squared error (equation 1 with Appendix E's weights). x: [levels,
// n, chunk], noisy: [levels, n, latents], its latents with noise added; coefficients: [levels, 1, 1].
torch::Tensor training_loss(Networks networks, const torch::Tensor& x, const torch::Tensor& noisy,
                            const torch::Tensor& coefficients, double lambda);

// Which parts learn. The auxiliary loss always fits the density's quantiles.
inline bool learns_analysis(const TrainOptions& o) { return !o.identity && !o.teacher; }
inline bool learns_synthesis(const TrainOptions& o) { return !o.identity; }
inline bool learns_density(const TrainOptions& o) { return !o.teacher; }

// Both train `networks` in place. `training`: [n, chunk], float32 on the CPU. Options are valid.
std::unique_ptr<TrainingStep> make_autograd_step(const TrainOptions& options, const Networks& networks,
                                                 const torch::Tensor& training);
// Moves networks and training data to the current GPU, bf16 matrix products inside the residual blocks. Errors:
// kUnsupported without a GPU, in a program built without CUDA, and for widths that the kernels have no body for.
Result<std::unique_ptr<TrainingStep>> make_fused_step(const TrainOptions& options, Networks& networks,
                                                      const torch::Tensor& training);

}  // namespace nwc
