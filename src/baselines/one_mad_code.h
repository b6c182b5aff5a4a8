// Baseline: QTIP's computed code 1MAD (paper, Appendix A.6): no codebook; a state's number is the sum of the bytes of a
// hash of it.
#pragma once

#include "baselines/bitshift_trellis.h"

namespace nwc {

// One number per state: the sum of the four bytes of 34038481 x + 76625530 modulo 2^32, less its mean 510, over its
// deviation: nearly Gaussian, at most 3.45 in size. state_bits as in trellis.h, 1 <= bits <= state_bits.
BitshiftTrellis one_mad_code(unsigned state_bits, unsigned bits);

}  // namespace nwc
