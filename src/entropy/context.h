// Contexts: which frequency table codes a symbol. What chooses a table is data: coders see table numbers, and the rule
// that a stream names (format/context_rule.h) says which number a symbol has.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nwc {

// The number of a table in a TableSet.
using Context = uint16_t;

// The contexts of a tile's symbols: channel c of chunk i has numbers[c * stride + i], or numbers[c] where all chunks of
// the tile share a channel's context (stride 0). Refers to memory of others.
struct TileContexts {
  const Context* numbers = nullptr;
  size_t stride = 0;

  bool shared() const { return stride == 0; }
  Context at(unsigned channel, uint32_t chunk) const {
    return stride == 0 ? numbers[channel] : numbers[channel * stride + chunk];
  }
};

}  // namespace nwc
