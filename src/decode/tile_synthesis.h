// From a tile's symbols to weights in the output matrix: latents, g_s, patches, scales, dtype.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned.h"
#include "codec/codec.h"
#include "decode/tensor_decoder.h"
#include "format/tiling.h"

namespace nwc {

// Where a tile's weights go: a dense matrix that holds `slice` of the tile's matrix.
struct WeightTarget {
  const Slice& slice;
  bool transposed;           // [columns][rows] instead of [rows][columns]
  uint64_t rows;             // of the whole matrix; rows past it are padding
  const float* scales;       // of the tile's matrix, [columns]
  const float* row_factors;  // of the tile's matrix, [rows]; nullptr: all 1
  DType dtype;
  std::byte* out;
};

struct DecodedTile {
  TileContexts contexts;   // of the symbols
  float* values;           // [latents][stride]: their numbers, where contexts are not shared; written over
  const uint8_t* symbols;  // [latents][stride]
  const uint16_t* raws;
  size_t stride;
  std::span<const Escape> escapes;
  std::span<const Patch> patches;
};

// Buffers of one thread.
struct SynthesisScratch {
  AlignedVector<float> latents, chunks, network;
};

// `tables` are those that the symbols were decoded with. Errors: kCorrupt if a weight is not finite.
Status synthesise_tile(const Codec& codec, const DecodingTables& tables, const LevelGroup& group, const TileSpan& span,
                       const DecodedTile& tile, const WeightTarget& target, Isa isa, SynthesisScratch& scratch);

}  // namespace nwc
