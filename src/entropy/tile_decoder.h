// From a tile's bytes to its symbols and patches: the binding around the rANS kernels, which checks what they assume.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "entropy/frequency_table.h"
#include "entropy/rans_kernel.h"
#include "nwcodec/result.h"

namespace nwc {

// A table set in the form that kernels read. Immutable; threads share it.
class DecodingTables {
 public:
  // Precondition: every table passes check_table(), and there are at most 65536.
  explicit DecodingTables(const TableSet& set);
  DecodingTables(DecodingTables&&) = default;
  DecodingTables& operator=(DecodingTables&&) = default;
  size_t size() const { return maps_.size(); }
  const SymbolMap& symbols(Context context) const { return maps_[context]; }
  std::span<const uint32_t> slots(Context context) const {
    return {kernel_tables().slots_of(context), kFrequencyTotal};
  }
  // By context, for symbol_values().
  const uint32_t* packed_maps() const { return packed_maps_.data(); }
  RansTables kernel_tables() const { return {slots_.data(), shifts_.data(), any_shift_}; }

 private:
  std::vector<uint32_t> slots_;  // [contexts][4096]
  std::vector<SymbolMap> maps_;
  std::vector<uint32_t> packed_maps_;
  std::vector<uint32_t> shifts_;
  bool any_shift_ = false;
};

// A weight that is stored as it is (normalised, before the column scale) because the transform would miss it by far.
struct Patch {
  uint32_t position;  // chunk of the tile * chunk length + row in the chunk
  float value;
};

// A symbol outside its table: channel and chunk of the tile, and the integer.
struct Escape {
  uint32_t channel, chunk;
  int32_t value;
};

struct TileShape {
  unsigned channels;
  uint32_t chunks;
  uint32_t run_groups;
  unsigned chunk_length;
};

// One tile to decode and where to.
struct TileJob {
  std::span<const std::byte> tile;
  TileContexts contexts;
  uint8_t* symbols;              // out: channel c of chunk i goes to symbols[c * stride + i]
  uint16_t* raws;                // out, same layout: raw low bits, of tables with a shift only
  std::vector<Escape>* escapes;  // out: replaced; in the order of the stream
  std::vector<Patch>* patches;   // out: replaced; in ascending order of position
  // Where contexts are not shared:
  float* values = nullptr;      // out, like symbols: the numbers that they stand for, escapes too (SymbolRow)
  Context* resolved = nullptr;  // out, like symbols: the contexts of symbols, with unions; with a trellis only

  // The contexts of its symbols, once they are decoded.
  TileContexts contexts_of_symbols(size_t stride) const {
    return contexts.trellis != nullptr ? TileContexts{resolved, stride} : contexts;
  }
};

// Decodes tiles of one shape, whose contexts are below tables.size(); kTilesTogether of them at once keep a SIMD kernel
// busy. stride >= chunks rounded up to 32; entries between are undefined. Errors: kCorrupt with an offset relative to
// the tile; *failed (if not null) is then the job's number.
Status decode_tiles(std::span<const TileJob> jobs, const DecodingTables& tables, const TileShape& shape, Isa isa,
                    size_t stride, size_t* failed = nullptr);

}  // namespace nwc
