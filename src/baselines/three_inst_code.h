// QTIP's computed code 3INST (paper, Algorithm 2): no codebook; a state's number is the sum of two halves of a hash of
// it, read as binary16.
#pragma once

#include "baselines/bitshift_trellis.h"

namespace nwc {

// One number per state: 89226354 x + 64248484 modulo 2^32, of which the sign, the lowest two bits of the exponent and
// the mantissa of each half are kept and exclusive-ored with the constant 0.922's bits. state_bits as in
// bitshift_trellis.h, 1 <= bits <= state_bits.
BitshiftTrellis three_inst_code(unsigned state_bits, unsigned bits);

}  // namespace nwc
