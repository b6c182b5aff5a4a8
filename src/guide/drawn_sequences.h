// Calibration sequences: windows of a tokenised text, drawn by seed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "nwcodec/result.h"

namespace nwc {

// The positions in `ids` where `count` windows of `length` tokens begin, ascending, without overlap; fewer if the text
// has fewer. The same arguments give the same windows everywhere. Errors: kInvalidArgument if the text is shorter than
// one window.
Result<std::vector<int64_t>> draw_sequences(std::span<const int32_t> ids, int64_t length, int64_t count, uint64_t seed);

}  // namespace nwc
