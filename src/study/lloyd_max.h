// Baseline: fixed-rate scalar quantisation with the best levels (Lloyd 1957, Max 1960; "SQ" of the paper's Figure 6).
#pragma once

#include <cstdint>
#include <vector>

#include "study/rate_point.h"
#include "study/sorted_source.h"

namespace nwc {

struct ScalarCodebook {
  std::vector<double> levels;  // ascending, 2^bits
  RatePoint point;
};

// Levels fitted to `source` by Lloyd's iteration, and the error on it; bits are those of the index alone. 1 <= bits <= 12.
ScalarCodebook lloyd_max(const SortedSource& source, unsigned bits);

}  // namespace nwc
