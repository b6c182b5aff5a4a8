// Which weights a tile holds (docs/format.md, section 4, "Order of chunks"). Shared by encoder and decoder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nwcodec/result.h"

namespace nwc {

// The columns of one matrix that share an importance level, ascending.
struct LevelGroup {
  uint64_t matrix;
  unsigned level;
  std::vector<uint32_t> columns;
  uint64_t chunks;      // stripes * columns.size()
  uint64_t first_tile;  // number of its first tile in the stream
};

// A tile is a run of `chunks` chunks of its group, beginning with number `first_chunk`; chunk number s * columns.size()
// + p is stripe s (N rows) of column columns[p].
struct TileSpan {
  uint32_t group;  // index into Tiling::groups()
  uint64_t first_chunk;
  uint32_t chunks;
};

class Tiling {
 public:
  // `levels` holds matrices * columns entries, or nothing if all are 0. Memory: 4 bytes per column.
  Tiling(uint64_t matrices, uint64_t rows, uint64_t columns, unsigned chunk_length, uint32_t tile_chunks,
         std::span<const uint8_t> levels);

  const std::vector<LevelGroup>& groups() const { return groups_; }
  uint64_t tile_count() const { return tile_count_; }
  TileSpan tile(uint64_t number) const;
  uint64_t stripes() const { return stripes_; }

 private:
  uint32_t tile_chunks_;
  uint64_t stripes_ = 0, tile_count_ = 0;
  std::vector<LevelGroup> groups_;
};

// Importance levels packed 1, 2 or 4 bits each, first column in the lowest bits.
unsigned packed_level_bits(unsigned levels);
uint64_t packed_level_bytes(uint64_t columns, unsigned levels);
std::vector<std::byte> pack_levels(std::span<const uint8_t> values, unsigned levels);
// Errors: kCorrupt for a size that does not fit, for a level >= levels, or for set bits behind the last one.
Result<std::vector<uint8_t>> unpack_levels(std::span<const std::byte> packed, uint64_t columns, unsigned levels);

}  // namespace nwc
