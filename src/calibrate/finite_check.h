// Where a model's activations stop being finite. Includes LibTorch: private to src/calibrate.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "libtorch/tensors.h"
#include "model/config/block_spec.h"
#include "model/layers/block.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"

namespace nwc {

bool is_finite(const at::Tensor& values);
// Whether each sum of squares is finite, as second moments need it. Asked together: while a GPU is waited for, nothing
// is launched.
std::vector<bool> have_finite_squares(const std::vector<at::Tensor>& values);
// Whether all are true, on whatever device; bool, without dimensions.
bool all_true(const std::vector<at::Tensor>& flags);

// The error for what goes into a model's first block, `batch` its name for people ("sequence 3 of text.txt").
Error input_not_finite(const std::string& batch, const std::string& tensor, const Checkpoint& checkpoint);

// The error for a block that makes something that is not finite of `input`, or whose layers' inputs have squares beyond
// float32: names the first such layer, found by running the block again, and the tensor of the block that is the likely
// cause: one with weights that are not finite, or else the one with the largest weight. `number`: the block's, for
// people.
Error block_not_finite(const Block& block, const BlockSpec& spec, const at::Tensor& input, size_t number,
                       const std::string& batch, const Checkpoint& checkpoint);

}  // namespace nwc
