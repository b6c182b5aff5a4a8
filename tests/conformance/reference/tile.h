// docs/format.md, section 5: what a tile holds.
#pragma once

#include <cstdint>
#include <string>

#include "conformance/reference/codec.h"
#include "conformance/reference/stream.h"

namespace nwc::reference {

// The y of all chunks of a tile, chunk after chunk.
Vector decode_tile(const Codec& codec, const Stream& stream, uint64_t level, uint64_t chunks, const std::string& bytes);

}  // namespace nwc::reference
