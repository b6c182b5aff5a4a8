// How the integers that a table codes become symbols and back (docs/format.md, section 3, "A frequency table").
#pragma once

#include <cstdint>

namespace nwc {

// Symbols 0..count-1 stand for 2^shift neighbouring integers each, from `minimum` on; `shift` raw bits tell these
// apart. Symbol `count` is the escape: an integer outside, which is spelled out behind the tile's words.
struct SymbolMap {
  int32_t minimum = 0;
  uint32_t shift = 0;
  uint32_t count = 0;

  uint32_t escape() const { return count; }
  // The escape for an integer outside.
  uint32_t symbol_of(int32_t value) const {
    const int64_t offset = int64_t{value} - minimum;
    if (offset < 0 || (offset >> shift) >= count) return count;
    return static_cast<uint32_t>(offset >> shift);
  }
  // The raw bits of an integer; 0 for one outside.
  uint32_t raw_of(int32_t value) const {
    if (symbol_of(value) == count) return 0;
    return (static_cast<uint32_t>(value) - static_cast<uint32_t>(minimum)) & ((1u << shift) - 1);
  }
  // Precondition: not the escape.
  int32_t value_of(uint32_t symbol, uint32_t raw) const {
    return minimum + static_cast<int32_t>((symbol << shift) + raw);
  }
};

}  // namespace nwc
