// One tensor's stream with its symbols in other tiles (docs/format.md, section 4): the same weights to the bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "decode/tensor_decoder.h"
#include "nwcodec/result.h"

namespace nwc {

struct TileLayout {
  uint32_t tile_chunks = 0;  // chunks per tile, as EncodeOptions has them; 0: as they are
  uint16_t run_groups = 0;   // groups of a run; 0: as they are. Along a trellis always 1
};

// Errors: kInvalidArgument for a layout out of range.
Status check_layout(const TileLayout& layout);

// Scales and levels stay what they are, and so do table rule and own tables. Every tile that is read is checked.
// Memory: four bytes for each weight, and both streams. Errors: kCorrupt with an offset in the stream;
// kInvalidArgument. Same arguments, same bytes, whatever `threads`.
Result<std::vector<std::byte>> retile(const TensorDecoder& decoder, const TileLayout& layout, int threads);

}  // namespace nwc
