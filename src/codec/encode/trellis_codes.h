// The trellises that the encoder offers.
#pragma once

#include "entropy/trellis.h"

namespace nwc {

inline constexpr unsigned kDefaultTrellisStates = 8;

// Whether make_trellis() has one of so many states: 4, 8, 16, 32, 64.
bool has_trellis(unsigned states);
// Ungerboeck's code for one-dimensional signals of so many states (Ungerboeck 1987, table I) in systematic form: the
// integers 4 k, 4 k + 1, 4 k + 2 and 4 k + 3 are his four subsets. Precondition: has_trellis(states).
Trellis make_trellis(unsigned states);

}  // namespace nwc
