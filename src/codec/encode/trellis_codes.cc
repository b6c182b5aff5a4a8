#include "codec/encode/trellis_codes.h"

#include <algorithm>
#include <iterator>

namespace nwc {
namespace {

// Parity-check polynomials, a bit per power of the delay.
struct Code {
  unsigned memory, h0, h1;
};
constexpr Code kCodes[] = {{2, 05, 02}, {3, 013, 04}, {4, 023, 04}, {5, 045, 010}, {6, 0103, 024}};

const Code* code_of(unsigned states) {
  const Code* const found =
      std::find_if(std::begin(kCodes), std::end(kCodes), [&](const Code& code) { return 1u << code.memory == states; });
  return found != std::end(kCodes) ? found : nullptr;
}

}  // namespace

bool has_trellis(unsigned states) { return code_of(states) != nullptr; }

Trellis make_trellis(unsigned states) {
  const Code& code = *code_of(states);
  Trellis trellis{.states = states};
  for (unsigned state = 0; state < states; ++state) {
    for (unsigned branch = 0; branch < 2; ++branch) {
      // Each register takes what its neighbour holds, and both inputs where their polynomials say so.
      unsigned next = state >> 1;
      if (branch != 0) next ^= code.h1 >> 1;
      if (Trellis::union_of(state) != 0) next ^= code.h0 >> 1;
      trellis.next[state][branch] = static_cast<uint8_t>(next);
    }
  }
  return trellis;
}

}  // namespace nwc
