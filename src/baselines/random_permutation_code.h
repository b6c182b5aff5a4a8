// Baseline: the random permutation trellis coder (Mao and Gray 2010), QTIP's yardstick ("RPTC" of the paper's Figure
// 6): a codebook with an entry of its own for every state.
#pragma once

#include <cstdint>

#include "baselines/bitshift_trellis.h"

namespace nwc {

// One number per state: the 2^state_bits quantiles (i + 1/2) / 2^state_bits of a Gaussian in random order. 1 <= bits <=
// state_bits.
BitshiftTrellis random_permutation_code(unsigned state_bits, unsigned bits, uint64_t seed);

// x with P(Gaussian < x) = share, to 1e-12; 0 < share < 1.
double gaussian_quantile(double share);

}  // namespace nwc
