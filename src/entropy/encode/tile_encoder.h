// From symbols and patches to a tile's bytes: the mirror of entropy/tile_decoder.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "entropy/frequency_table.h"
#include "entropy/tile_decoder.h"

namespace nwc {

// All tiles of a stream, one after another.
struct CodedTiles {
  std::vector<uint32_t> sizes;
  std::vector<std::byte> bytes;
};

// A table set in the form that the encoder reads. Immutable; threads share it.
class CodingTables {
 public:
  struct Interval {
    uint32_t start, frequency;
  };
  // Precondition: every table passes check_table().
  explicit CodingTables(const TableSet& set);
  const SymbolMap& symbols(Context context) const { return maps_[context]; }
  Interval interval(Context context, uint32_t symbol) const { return intervals_[first_[context] + symbol]; }

 private:
  std::vector<SymbolMap> maps_;
  std::vector<size_t> first_;  // of a table's intervals
  std::vector<Interval> intervals_;
};

// Everything behind a tile's words. `escapes` are in the order of decoding.
void append_side_data(std::vector<std::byte>& tile, std::span<const int32_t> escapes, std::span<const Patch> patches);

// Encodes channel c of chunk i from symbols[c * stride + i], each in [-kMaxSymbolValue, kMaxSymbolValue], as
// contexts.coded(c, i, symbol) says; with a trellis, symbols follow it. `patches` are in ascending order of position,
// inside the tile, with finite values that fit F16. Thread-safe: no shared state.
std::vector<std::byte> encode_tile(const CodingTables& tables, const TileContexts& contexts, const TileShape& shape,
                                   const int32_t* symbols, size_t stride, std::span<const Patch> patches);

}  // namespace nwc
