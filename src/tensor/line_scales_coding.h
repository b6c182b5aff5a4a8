// Line scales as bytes: the mirror of format/line_scales.h.
#pragma once

#include <cstddef>
#include <vector>

#include "entropy/frequency_table.h"
#include "format/line_scales.h"

namespace nwc {

// Each sequence with the one of the codec's tables that takes the fewest bits, relative to its mean.
std::vector<std::byte> code_line_scales(const LineScales& lines, const TableSet& of_codec);

}  // namespace nwc
