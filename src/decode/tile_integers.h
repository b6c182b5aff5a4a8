// The integers of a compressed tensor's tiles, for what works on symbols instead of weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "decode/tensor_decoder.h"
#include "nwcodec/result.h"

namespace nwc {

// What a tile holds: latents before their centers and the synthesis transform, where a symbol's map, raw bits, escapes
// and, along a trellis, unions are resolved.
struct TileIntegers {
  size_t stride = 0;            // chunks, rounded up
  std::vector<int32_t> values;  // [latents][stride]; between a row's chunks and the next row anything
  std::vector<Patch> patches;   // in ascending order of position
};

// Reads tile `number` of the tensor, checked, into `tile`, whose memory is used again. Thread-safe. Errors: kCorrupt
// with an offset in the stream. Precondition: number < decoder.tiling().tile_count().
Status read_tile_integers(const TensorDecoder& decoder, uint64_t number, TileIntegers& tile);

}  // namespace nwc
