// Takes batches through blocks and back, and measures both sides of every linear layer on the way back. Includes
// LibTorch: private to src/calibrate.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "calibrate/block_pass.h"
#include "calibrate/kept_inputs.h"
#include "libtorch/tensors.h"

namespace nwc {

struct GradientPassOptions {
  std::filesystem::path scratch;        // a directory for what does not fit memory (calibrate/kept_inputs.h)
  bool outputs = false;                 // E[g g^T] too
  std::optional<uint64_t> memory = {};  // of all lanes of this process; by default as their device has it
  // What the file of the ends holds, after all calls of Lane::at_input, in every process; of no use but in the leading
  // one. None: there is no such file.
  std::function<Result<HessianFile>(int64_t positions)> ends = {};
};

// Once through all blocks, keeping the input of each; then from the last block down, each computed again with gradients
// (recomputation): the memory is that of one block, of its gradients for one batch and of its moments for each lane,
// beside the kept inputs. Files are written from the last block down, those that are there are not written again, and
// blocks below the first that is missing do not run backwards; if the file of the ends is missing, all do. A batch
// whose gradient is not finite is left out from there on, with a line in the report's warnings. Errors: those of
// pass_blocks(), and kNonFinite if more than 1 % of the batches have such gradients.
Status pass_with_gradients(std::vector<Lane> lanes, const GradientPassOptions& options, PassContext& context);
uint64_t steps_of_gradient_pass(const BlockStack& blocks, size_t batches, const HessianFiles& files);

}  // namespace nwc
