// `nwcodec train`: learns a codec from the linear weights of checkpoints (paper, Sections 3.1, 3.2 and A.3).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "weights/normalisation.h"
#include "weights/selection.h"

namespace nwc {

// Shape of one transform: depth residual blocks of the given width (paper: 512 x 4); depth 0 is a single linear map.
struct NetworkShape {
  int64_t width = 128, depth = 3;
};

enum class TrainRecipe {
  // Both transforms begin as scaled identities with the step size that the objective asks for; cosine decay.
  kLinearStart,
  // Random initialisation, constant learning rate.
  kPaper,
};

enum class TrainDevice { kCpu, kCuda };

// Ranges of options; those of shapes are in nwcodec/limits.h.
inline constexpr double kLeastLambda = 1e-3, kMostLambda = 1e9;
inline constexpr double kLeastCoefficient = 1e-6, kMostCoefficient = 1e6;  // of levels
inline constexpr double kLeastLearningRate = 1e-12, kMostLearningRate = 1;
inline constexpr double kMostHeavyShare = 0.99;
inline constexpr int64_t kMostSteps = int64_t{1} << 40, kMostBatch = int64_t{1} << 24;
inline constexpr uint64_t kMostChunks = uint64_t{1} << 40;

struct TrainOptions {
  std::vector<std::filesystem::path> models;
  std::filesystem::path output;
  SelectionOptions selection;
  Normalisation normalisation = Normalisation::kColumn;  // of the training data; compress with the same

  double lambda = 1000.0;  // weight of the distortion (equation 1)
  int64_t chunk = 16, latents = 16;
  // lambda_I of each importance level, coarsest first; the rate term is weighted by 1 / lambda_I (Appendix E). Its size
  // is K.
  std::vector<double> level_coefficients{0.29, 0.83, 10.0, 20.0};
  NetworkShape analysis{128, 3}, synthesis{32, 2};
  // The paper shares one density per channel among the levels; one for each costs fewer bits.
  bool density_per_level = true;

  // Both transforms stay multiplications by a number per level, and only the density learns (Table 7's baseline): a
  // uniform scalar quantiser with an entropy coder. `analysis` and `synthesis` are then linear maps whatever they say.
  bool identity = false;

  TrainRecipe recipe = TrainRecipe::kLinearStart;
  int64_t steps = 20000, batch = 4096;                          // a step sees `batch` chunks
  double learning_rate = 1e-3, auxiliary_learning_rate = 1e-3;  // the auxiliary loss fits the density's quantiles
  uint64_t max_chunks = 4'000'000;  // kept in memory, sampled evenly over the tensors if there are more
  // The share of training chunks that are heavy-tailed synthetic weights (learn/synthetic.h), added to the real ones.
  double heavy_share = 0.0;
  // Distillation: a codec whose analysis transform and density are kept, while a synthesis transform of our own shape
  // learns to decode its latents.
  std::optional<std::filesystem::path> teacher;
  // Fine-tune this codec (Appendix A.4): chunk, latents, levels and networks are its.
  std::optional<std::filesystem::path> from;
  uint64_t seed = 1;
  // kCuda: kernels of our own on the current GPU, bf16 inside the residual blocks.
  TrainDevice device = TrainDevice::kCpu;
  int threads = 0;  // <= 0: all cores
  int64_t validate_every = 1000, save_every = 1000;
  bool resume = false;  // refuse to start anew: there must be an interrupted run, which is gone on from either way
  bool force = false;   // overwrite an existing codec and, without `resume`, an interrupted run of other options
};

// Errors: kInvalidArgument for the first option that is out of range.
Status check_options(const TrainOptions& options);

struct LevelQuality {
  double bits = 0;  // per weight, cross-entropy under the density of rounded latents
  double nmse = 0;  // mean squared error of normalised weights
};

struct TrainReport {
  uint64_t training_chunks = 0, validation_chunks = 0;
  double validation_loss = 0;
  std::vector<LevelQuality> levels;
};

// Called after each validation.
using ValidationCallback =
    std::function<void(int64_t step, double training_loss, double validation_loss, const std::vector<LevelQuality>&)>;

// Writes the codec to options.output, atomically, and its state now and then to the directory OUTPUT.training
// (checkpoint/resumable_directory.h; removed at the end), so that the same run goes on from there to the same result.
// The same options, seed, threads and class of machines (libtorch/machine.h) give the same file. Errors: those of
// reading checkpoints; kInvalidArgument for options out of range and for models without linear weights; kExists, for an
// interrupted run of other options or weights too; kBusy; kCorrupt, kMismatch for a state that is none, or another
// run's; kInterrupted (the state is saved); kUnsupported if a GPU is asked for and cannot be used.
Result<TrainReport> train_codec(const TrainOptions& options, const Progress& progress,
                                const ValidationCallback& on_validation);

}  // namespace nwc
