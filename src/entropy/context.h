// Contexts: which frequency table codes a symbol. What chooses a table is data: coders see table numbers, and the rule
// that a stream names (format/context_rule.h) says which number a symbol has.
#pragma once

#include <cstddef>
#include <cstdint>

#include "entropy/trellis.h"

namespace nwc {

// The number of a table in a TableSet.
using Context = uint16_t;

// An integer as a table codes it.
struct CodedInteger {
  Context context;
  int32_t value;
};

// `odd`: see TileContexts.
inline CodedInteger coded_integer(Context context, Context odd, int32_t latent) {
  if (odd == 0) return {context, latent};
  return {static_cast<Context>(context + ((latent & 1) != 0 ? odd : Context{0})), latent >> 1};
}

// The contexts of a tile's symbols: channel c of chunk i has numbers[c * stride + i], or numbers[c] where all chunks of
// the tile share a channel's context (stride 0). With a trellis, that is the context of even integers, and odd ones
// have the one `odd` numbers on. Refers to memory of others.
struct TileContexts {
  const Context* numbers = nullptr;
  size_t stride = 0;
  const Trellis* trellis = nullptr;
  Context odd = 0;  // 0 without a trellis

  bool shared() const { return stride == 0; }
  Context at(unsigned channel, uint32_t chunk) const {
    return stride == 0 ? numbers[channel] : numbers[channel * stride + chunk];
  }
  // How the integer that a latent was quantised to is coded: as it is, or by union and half.
  CodedInteger coded(unsigned channel, uint32_t chunk, int32_t latent) const {
    return coded_integer(at(channel, chunk), odd, latent);
  }
};

}  // namespace nwc
