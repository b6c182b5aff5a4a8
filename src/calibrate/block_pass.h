// Takes batches through blocks and writes what calibration measures on the way, there or back. Includes LibTorch:
// private to src/calibrate.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "calibrate/calibrate.h"
#include "calibrate/hessian_files.h"
#include "libtorch/tensors.h"
#include "model/config/block_spec.h"
#include "model/layers/block.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/progress.h"

namespace nwc {

// The blocks of a CausalLm or of an EncoderTower, numbered from `first` in the files of Hessians.
struct BlockStack {
  size_t first = 0, count = 0;
  std::function<Result<std::shared_ptr<const Block>>(size_t index)> load;  // index < count
  std::function<const BlockSpec&(size_t index)> spec;

  template <class Model>
  static BlockStack of(const Model& model, size_t first) {
    return {first, model.blocks(), [&model](size_t b) { return model.block(b); },
            [&model](size_t b) -> const BlockSpec& { return model.spec().blocks[b]; }};
  }
};

// float32 [some, length, hidden], and what to call it: "sequence 3 of text.txt".
struct Batch {
  at::Tensor hidden;
  std::string name;
};

// Where all passes of a calibration write and report to.
struct PassContext {
  const Checkpoint& checkpoint;
  HessianFiles& files;
  CalibrateReport& report;
  const Progress& progress;
  uint64_t total = 0, done = 0;  // steps, of all passes

  Status step(size_t block);  // one more; kInterrupted
};

// Hessians only. Only blocks up to the last whose file is missing run, and only missing files are written, each as soon
// as it is complete. Errors: of loading; kNonFinite where activations stop being finite (calibrate/finite_check.h);
// kInterrupted; kIo.
Status pass_blocks(const BlockStack& blocks, std::vector<Batch> batches, PassContext& context);
uint64_t steps_of_pass(const BlockStack& blocks, size_t batches, const HessianFiles& files);

}  // namespace nwc
