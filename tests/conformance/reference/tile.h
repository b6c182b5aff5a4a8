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

// Latent c of chunk i of the tile has this table.
using TableOf = std::function<const Table&(uint64_t i, uint64_t c)>;

// The integers of `chunks` chunks of `channels` channels each, [chunk][channel]; reads them off a tile's front, escapes
// included.
std::vector<std::vector<int64_t>> decode_integers(Reader& reader, uint64_t channels, uint64_t run, uint64_t chunks,
                                                  const TableOf& table_of);

// The y of all chunks of a tile, chunk after chunk.
Vector decode_tile(const Codec& codec, const Stream& stream, uint64_t level, uint64_t chunks, const TableOf& table_of,
                   const std::string& bytes);

}  // namespace nwc::reference
