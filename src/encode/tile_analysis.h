// Normalised chunks of one tile -> latents -> symbols, without feedback; what sampling and encoding share.
#pragma once

#include <cstdint>
#include <vector>

#include "encode/normalisation.h"
#include "encode/quantiser.h"
#include "encode/tensor_encoder.h"
#include "encode/tile_encoder.h"
#include "format/tiling.h"

namespace nwc {

// A tensor being encoded. Refers to its arguments.
struct EncodeJob {
  const WeightMatrix& weights;
  const WeightScales& scales;
  const Tiling& tiling;
  const TensorGuide& guide;
  const Encoder& encoder;
  unsigned chunk_length, latents;
  Isa isa;

  static EncodeJob of(const WeightMatrix& weights, const WeightScales& scales, const Tiling& tiling,
                      const TensorGuide& guide, const Encoder& encoder);
  std::span<const uint8_t> levels_of_matrix(uint64_t matrix) const;
};

struct TileSymbols {
  size_t stride = 0;
  std::vector<int32_t> values;  // [latents][stride]
  std::vector<Patch> patches;
};

// Chunks -> latents -> symbols -> decoded chunks, and the patches where the two differ by too much. `scratch` keeps the
// chunks and their decoded form.
TileSymbols analyse_tile(const EncodeJob& job, uint64_t number, QuantiserScratch& scratch);

}  // namespace nwc
