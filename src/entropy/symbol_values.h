// From symbols whose contexts differ to the numbers that they stand for: one signature, a scalar and SIMD bodies.
#pragma once

#include <cstddef>
#include <cstdint>

#include "entropy/context.h"
#include "entropy/symbol_map.h"
#include "nwcodec/isa.h"

namespace nwc {

// A symbol map as kernels read it: minimum, shift and number of the escape in one word.
inline uint32_t packed_map(const SymbolMap& map) {
  return static_cast<uint32_t>(map.minimum) << 16 | map.shift << 8 | map.escape();
}

// Symbols side by side, [count].
struct SymbolRow {
  const uint8_t* symbols;
  const uint16_t* raws;  // read where a map has a shift
  const Context* contexts;
  size_t count;
  const uint32_t* maps;  // by context: packed_map()
  Context odd;           // contexts from this one on are those of odd integers; 0: there are none
};

// values[i] is the number of symbol i, or twice that, plus 1 for contexts of odd integers; of an escape anything. Bit i
// % 32 of escapes[i / 32] says whether symbol i is an escape; the last word's other bits are 0.
void symbol_values(const SymbolRow& row, float* values, uint32_t* escapes, Isa isa);

}  // namespace nwc
