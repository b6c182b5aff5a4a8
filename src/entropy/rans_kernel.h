// The rANS decoding kernel: one signature, several bodies (scalar reference, SIMD per instruction set).
//
// A kernel neither allocates nor validates what the binding (entropy/tile_decoder.h) has validated; it does guard its
// own input pointer, because how many words a damaged tile wants is known only while decoding.
#pragma once

#include <cstddef>
#include <cstdint>

#include "entropy/context.h"
#include "nwcodec/isa.h"
#include "nwcodec/limits.h"

namespace nwc {

// Tables by context, see DecodingTables.
struct RansTables {
  const uint32_t* slots;   // [contexts][4096]
  const uint32_t* shifts;  // [contexts]: raw low bits
  bool any_shift;          // whether one of them is not 0

  const uint32_t* slots_of(Context context) const { return slots + (size_t{context} << limits::kPrecisionBits); }
};

struct RansTile {
  RansTables tables;
  TileContexts contexts;  // with a trellis: run_groups is 1
  uint32_t channels;
  uint32_t chunks;      // >= 1
  uint32_t run_groups;  // groups of 32 chunks that are decoded channel by channel
  uint32_t* states;  // limits::kLanes entries, of which min(32, chunks) are used; left as they are after the last step
  const std::byte* words;  // 16-bit words, unaligned
  size_t word_count;
  uint8_t* symbols;  // out: channel c of chunk i goes to symbols[c * stride + i]
  uint16_t* raws;    // out, same layout: the raw low bits, written for tables with a shift only; null if there are none
  size_t stride;     // >= chunks rounded up to a multiple of 32; what lies between is left undefined
  Context* resolved = nullptr;  // out, same layout: the contexts that were used, with unions; with a trellis only
};

struct RansOutcome {
  bool exhausted;  // the words ran out before the symbols did: the tile is damaged
  size_t words_used;
};

// How many tiles the SIMD bodies overlap (measured: more gains nothing).
inline constexpr size_t kTilesTogether = 2;

// Decodes `count` tiles that agree in everything but contexts, states, words and symbols; more than one at a time lets
// a SIMD body overlap them, if their contexts are shared and the same. outcomes[t] is tile t's.
using RansDecodeKernel = void(const RansTile* tiles, size_t count, RansOutcome* outcomes);
RansDecodeKernel rans_decode_scalar;

// The body for `isa`. Precondition: `isa` is one of available_isas().
RansDecodeKernel* rans_decode_kernel(Isa isa);

}  // namespace nwc
