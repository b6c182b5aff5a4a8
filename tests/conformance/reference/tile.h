// docs/format.md, section 5: what a tile holds.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "conformance/reference/bytes.h"
#include "conformance/reference/codec.h"
#include "conformance/reference/stream.h"

namespace nwc::reference {

// Latent c of chunk i of the tile has this table where the chunk's trellis is in state t.
using TableOf = std::function<const Table&(uint64_t i, uint64_t c, uint64_t t)>;

// The integers of `chunks` chunks of `channels` channels each, [chunk][channel]; reads them off a tile's front, escapes
// included. With a trellis (not empty), 2 v + t mod 2.
std::vector<std::vector<int64_t>> decode_integers(Reader& reader, uint64_t channels, uint64_t run, uint64_t chunks,
                                                  const TableOf& table_of,
                                                  const std::vector<std::vector<uint64_t>>& trellis);

// The y of all chunks of a tile, chunk after chunk.
Vector decode_tile(const Codec& codec, const Stream& stream, uint64_t level, uint64_t chunks, const TableOf& table_of,
                   const std::string& bytes);

}  // namespace nwc::reference
