// The discrete cosine transform of chunks (paper, Table 1).
#pragma once

#include <cstdint>

#include "baselines/samples.h"

namespace nwc {

// The orthonormal DCT-II of every chunk of `length` consecutive weights of a column: what the codec's analysis
// transform sees, so that the two can be compared. Weights behind the last whole chunk of a column stay as they are.
void dct_of_chunks(Samples& samples, uint64_t length);

}  // namespace nwc
