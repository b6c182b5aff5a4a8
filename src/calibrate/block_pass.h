// Takes batches through blocks and writes what calibration measures on the way, there or back. Includes LibTorch:
// private to src/calibrate.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "calibrate/calibrate.h"
#include "calibrate/hessian_files.h"
#include "libtorch/tensors.h"
#include "model/config/block_spec.h"
#include "model/layers/block.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/progress.h"
#include "team/team.h"

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
  size_t index = 0;  // among those of all lanes
};

// The gradient of what is to be measured at the last block's output of batch `index`, of its shape. Freed at the turn,
// with what it holds of the model.
using LastGradient = std::function<Result<at::Tensor>(size_t index, const at::Tensor& output)>;

// What one device has to do: its batches, in ascending order, through the same blocks as those of every other lane, on
// parameters of its own. Each of a process's lanes runs in a thread, a block at a time; then they wait for each other.
struct Lane {
  BlockStack blocks;
  std::vector<Batch> batches;
  // With gradients (calibrate/gradient_pass.h).
  LastGradient last_gradient = {};
  // The gradient at the first block's input of batch `index`, of all batches that have one, once the first block is
  // through.
  std::function<void(size_t index, const at::Tensor& gradient)> at_input = {};
};

// Where all passes of a calibration write and report to.
struct PassContext {
  const Checkpoint& checkpoint;
  HessianFiles& files;
  CalibrateReport& report;
  const Progress& progress;
  Team& team;                    // every process has lanes of the same pass, and calls it with equal `files`
  size_t together = 1;           // batches that go through a block in one call
  uint64_t total = 0, done = 0;  // steps of this process's lanes, of all passes
  std::mutex mutex = {};         // guards done and progress

  Status step(size_t block);  // one more; kInterrupted. Thread-safe
};

// Batches [first, first + count) of a lane, which go through a block in one call. Of one shape but for the first
// dimension.
struct BatchGroup {
  size_t first, count;
};
std::vector<BatchGroup> groups_of(const std::vector<Batch>& batches, size_t together);
// How many batches of so many elements: one on the CPU, whose cores one fills; several where they are small for a GPU,
// which waits for its host otherwise.
size_t batches_together(ModelDevice device, int64_t elements);
// One after another along the first dimension, and back: part i of what was made of them.
at::Tensor joined(const std::vector<at::Tensor>& parts);
std::vector<at::Tensor> parts_of(const at::Tensor& whole, const std::vector<at::Tensor>& like);

// The error for block b of a lane, of whose batches `indices` with these inputs something is not finite: of the first
// whose own output is not, or else of the first.
Error block_not_finite_in(const Lane& lane, size_t b, const Block& block, const std::vector<size_t>& indices,
                          const std::vector<at::Tensor>& inputs, const PassContext& context);

// Calls body(lane) for each of a process's lanes, in threads of their own; an exception is an error.
Status in_each_lane(size_t lanes, const std::function<Status(size_t lane)>& body);

// Which of `count` batches the lanes of this process take: [lane][..], ascending, dealt out in turn among the lanes of
// all processes, `together` at a time, so that groups are the same whoever has them. Errors: those of the team.
Result<std::vector<std::vector<size_t>>> deal_out(size_t count, size_t together, size_t lanes, Team& team);

// Hessians only. Only blocks up to the last whose file is missing run, and only missing files are written, each as soon
// as it is complete. Errors: of loading; kNonFinite where activations stop being finite (calibrate/finite_check.h);
// kInterrupted; kIo; those of the team.
Status pass_blocks(std::vector<Lane> lanes, PassContext& context);
uint64_t steps_of_pass(const BlockStack& blocks, size_t batches, const HessianFiles& files);

}  // namespace nwc
