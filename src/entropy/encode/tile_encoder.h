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

// Everything behind a tile's words. `escapes` are in the order of decoding.
void append_side_data(std::vector<std::byte>& tile, std::span<const int32_t> escapes, std::span<const Patch> patches);

// Encodes channel c of chunk i from symbols[c * stride + i], each in [-kMaxSymbolValue, kMaxSymbolValue], with
// tables.at(shape.level, c). `patches` are in ascending order of position, inside the tile, with finite values that fit
// F16. Thread-safe: no shared state.
std::vector<std::byte> encode_tile(const TableSet& tables, const TileShape& shape, const int32_t* symbols,
                                   size_t stride, std::span<const Patch> patches);

}  // namespace nwc
