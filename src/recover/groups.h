// The order in which recovery compresses a block's tensors, in groups; after each group the remaining parameters are
// trained.
#pragma once

#include <string>
#include <vector>

#include "model/config/block_spec.h"

namespace nwc {

// Tensor names; each tensor is in one group. Dense blocks: a group for every linear layer, in the order of computation
// (Section 3.3). Mixtures of experts: attention; up of all experts; gate of all experts; down of all experts (A.5),
// where a fused gate and up are one group.
std::vector<std::vector<std::string>> recovery_groups(const BlockSpec& block);

// The block's norms, which are trained after every group.
std::vector<NormSpec> norms_of(const BlockSpec& block);

}  // namespace nwc
