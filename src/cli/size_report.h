// What `inspect` says about the sizes of a compressed checkpoint.
#pragma once

#include "base/json.h"
#include "nwcodec/inspect.h"

namespace nwc::cli {

// A line for each tensor, then the sums.
void print_sizes(const CheckpointReport& report);
// The sums.
Json sizes_json(const CheckpointReport& report);

}  // namespace nwc::cli
