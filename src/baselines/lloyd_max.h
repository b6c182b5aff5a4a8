// Baseline: fixed-rate scalar quantisation with the best levels (Lloyd 1957, Max 1960; "SQ" of the paper's Figure 6).
#pragma once

#include <cstdint>
#include <vector>

#include "baselines/rate_point.h"
#include "baselines/sorted_source.h"

namespace nwc {

struct ScalarCodebook {
  std::vector<double> levels;  // ascending, 2^bits; fewer if the source has fewer values
  RatePoint point;
};

// Levels fitted to `source`: the best ones whose cells consist of 4,096 bins (exactly, by dynamic programming), then
// Lloyd's iteration; and the error on it. Bits are those of the index alone. 1 <= bits <= 8.
ScalarCodebook lloyd_max(const SortedSource& source, unsigned bits);

}  // namespace nwc
