// `nwcodec compress --list`, printed.
#pragma once

#include <string>

#include "base/json.h"
#include "cli/command.h"
#include "compress/selection_list.h"

namespace nwc::cli {

// A line per tensor with its dtype, shape and what becomes of it, and the sums.
std::string selection_table(const SelectionList& list);
// A list of objects, keys as in other lists of tensors (compress/tensor_record.h), and `verdict` and `why`.
Json selection_json(const SelectionList& list);

// The list alone: JSON or a table on stdout, warnings on stderr.
Status print_selection(const SelectionList& list, const GlobalOptions& global);

}  // namespace nwc::cli
