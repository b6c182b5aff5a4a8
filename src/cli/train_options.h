// Ranges of the options that all commands which train have; those of learn/train.h.
#pragma once

#include "cli/command.h"
#include "learn/train.h"
#include "nwcodec/limits.h"

namespace nwc::cli {

inline CLI::Validator widths() { return in_range(1u, limits::kMaxWidth); }
inline CLI::Validator depths() { return in_range(0u, limits::kMaxDepth); }
inline CLI::Validator rates() { return in_range(kLeastLearningRate, kMostLearningRate); }

}  // namespace nwc::cli
