// Trains some parameters of a block until its output is that of the original again. Includes LibTorch: private to
// src/recover.
#pragma once

#include <string>
#include <vector>

#include "libtorch/tensors.h"
#include "model/config/block_spec.h"
#include "model/layers/rope.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "recover/block_parameters.h"
#include "recover/recover.h"

namespace nwc {

// The block's inputs and the original block's outputs, sequence by sequence; the last `validation` of them are not
// trained on.
struct TrainingData {
  const std::vector<at::Tensor>& inputs;
  const std::vector<at::Tensor>& targets;
  size_t validation = 1;
};

// A parameter to be trained, and the size of its values, which its learning rate is relative to.
struct Trainable {
  std::string name;
  double magnitude = 0;
};

// Squared error of the block's output as a share of what the block adds to its input, over the validation sequences.
struct TrainingOutcome {
  double error_before = 0, error_after = 0;
  int64_t steps = 0;
};

// Where data and parameters are. Adam on the mean squared error of the output; the parameters end in the state that was
// best on the validation sequences, at worst as they were. Independent of `threads`, which the CPU only uses. Errors:
// kInterrupted; kInternal from LibTorch.
Result<TrainingOutcome> train_block(const BlockSpec& spec, BlockParameters& parameters,
                                    const std::vector<Trainable>& trainables, const TrainingData& data,
                                    std::shared_ptr<RopeTables> rope, const RecoverOptions& options, int threads,
                                    const Progress& progress);

}  // namespace nwc
