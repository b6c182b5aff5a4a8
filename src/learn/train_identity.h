// The identity of a training run (checkpoint/run_identity.h). Private to src/learn.
#pragma once

#include "checkpoint/run_identity.h"
#include "learn/dataset.h"
#include "learn/train.h"
#include "nwcodec/result.h"

namespace nwc {

// `options` with the shapes that a codec to start from decides about; `threads`: as many as compute, whose sums differ.
// Weights count as the chunks that were drawn from them. Errors: kIo for a codec to start from.
Result<RunIdentity> identity_of(const TrainOptions& options, const ChunkSet& data, int threads);

}  // namespace nwc
