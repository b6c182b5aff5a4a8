// Samples of tensors that the processes of a team took, for all of them.
#pragma once

#include <vector>

#include "nwcodec/result.h"
#include "tensor/tensor_sample.h"

namespace nwc {

class Team;

// Before: samples[i] is filled in where i % team.size() is this process's rank, and as constructed elsewhere.
// Afterwards all are, on all processes, with the same numbers. A team of one has nothing to do. Errors: those of the
// team.
Status share_samples(std::vector<TensorSample>& samples, Team& team);

}  // namespace nwc
