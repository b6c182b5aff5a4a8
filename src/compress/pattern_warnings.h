// Patterns of --include and --exclude that do nothing.
#pragma once

#include <string>
#include <vector>

#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"
#include "weights/selection.h"

namespace nwc {

// A sentence for each pattern that matches no tensor's name, with what may have been meant, and for each of --include
// that matches only tensors that cannot be compressed. Errors: those of the patterns.
Result<std::vector<std::string>> pattern_warnings(const Checkpoint& checkpoint, const SelectionOptions& options);

}  // namespace nwc
