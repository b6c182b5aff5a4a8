// Baseline: QTIP's hybrid code ("TCQ" and "TCQ*" of the paper's Figure 6): a state is hashed to an entry of a small
// fitted codebook.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "baselines/bitshift_trellis.h"
#include "baselines/sources.h"

namespace nwc {

inline constexpr unsigned kQtipCodebookBits = 9;  // QTIP's Q, whatever the rate: "TCQ"

// Q of "TCQ*": the codebook grows with the rate (paper, Appendix A.6).
constexpr unsigned scaled_codebook_bits(unsigned bits) { return 2 * bits + 1; }

// The 2^codebook_bits entries of a codebook for pairs from `initial` (variance 1), folded: the sign of the second
// number is coded apart.
struct HybridCodebook {
  unsigned bits = 0;  // 1 to 14
  std::vector<std::array<float, 2>> entries;
};
HybridCodebook fit_hybrid_codebook(Source initial, unsigned codebook_bits, uint64_t seed);

// Two numbers per state: with h = x^2 + x modulo 2^32, bits 15 - Q to 14 of h choose the entry and bit 15 the sign.
// Below kFewestHybridStateBits state bits h has too few bits for that: codes become degenerate, with few entries and
// one sign.
inline constexpr unsigned kFewestHybridStateBits = 10;
BitshiftTrellis hybrid_code(const HybridCodebook& codebook, unsigned state_bits, unsigned bits);

}  // namespace nwc
