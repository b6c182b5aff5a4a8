#include "baselines/hybrid_code.h"

#include <algorithm>
#include <cmath>

#include "baselines/vector_quantizer.h"

namespace nwc {
namespace {

// Pairs that a codebook is fitted to: at least this many, and so many per entry.
constexpr uint64_t kFewestPairs = uint64_t{1} << 15;
constexpr uint64_t kPairsPerEntry = 16;

}  // namespace

HybridCodebook fit_hybrid_codebook(Source initial, unsigned codebook_bits, uint64_t seed) {
  const uint32_t size = uint32_t{1} << codebook_bits;
  const Samples drawn = draw(initial, 2 * std::max(kFewestPairs, kPairsPerEntry * size), seed);
  std::vector<Pair> pairs(drawn.values.size() / 2);
  for (size_t i = 0; i < pairs.size(); ++i) pairs[i] = {drawn.values[2 * i], std::abs(drawn.values[2 * i + 1])};
  return {codebook_bits, fit_codebook(pairs, size, seed)};
}

BitshiftTrellis hybrid_code(const HybridCodebook& codebook, unsigned state_bits, unsigned bits) {
  BitshiftTrellis trellis{state_bits, 2 * bits, 2, {}};
  const uint32_t states = trellis.states();
  trellis.code.resize(2 * size_t{states});
  for (uint32_t x = 0; x < states; ++x) {
    const uint32_t hash = x * x + x;
    const std::array<float, 2>& entry =
        codebook.entries[(hash >> (15 - codebook.bits)) & ((uint32_t{1} << codebook.bits) - 1)];
    trellis.code[x] = entry[0];
    trellis.code[states + x] = (hash >> 15 & 1) != 0 ? -entry[1] : entry[1];
  }
  return trellis;
}

}  // namespace nwc
