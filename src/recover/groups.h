// In which order the tensors of a block are compressed, and after which of them what is left is trained.
#pragma once

#include <string>
#include <vector>

#include "model/config/block_spec.h"

namespace nwc {

// Tensor names; each tensor is in one group. Dense blocks: a group for every linear layer, in the order of computation
// (Section 3.3). Mixtures of experts: attention; up of all experts; gate of all experts; down of all experts (A.5),
// where a fused gate and up are one group.
std::vector<std::vector<std::string>> recovery_groups(const BlockSpec& block);

// The block's norms, which are trained from first to last.
std::vector<NormSpec> norms_of(const BlockSpec& block);

}  // namespace nwc
