// What `inspect` says about the sizes of a compressed checkpoint.
#pragma once

#include "base/json.h"
#include "nwcodec/inspect.h"

namespace nwc::cli {

// A line for each tensor, then the sums.
void print_sizes(const CheckpointReport& report);
// Files that are there and not read, a line each on stderr; nothing if quiet.
void print_warnings(const CheckpointReport& report, bool quiet);
// The sums, and those warnings.
Json sizes_json(const CheckpointReport& report);

}  // namespace nwc::cli
