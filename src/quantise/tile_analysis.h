// Normalised chunks of one tile -> latents -> symbols, without feedback; what sampling and encoding share.
#pragma once

#include <cstdint>
#include <vector>

#include "entropy/encode/tile_encoder.h"
#include "quantise/encode_job.h"
#include "quantise/quantiser.h"

namespace nwc {

struct TileSymbols {
  size_t stride = 0;
  std::vector<int32_t> values;  // [latents][stride]
  std::vector<Patch> patches;
};

// Chunks -> latents -> symbols -> decoded chunks, and the patches where the two differ by too much. `scratch` keeps the
// chunks and their decoded form.
TileSymbols analyse_tile(const EncodeJob& job, uint64_t number, QuantiserScratch& scratch);

}  // namespace nwc
