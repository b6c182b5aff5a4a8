// The entropy decoder alone: latents for the networks of other codecs, and symbols.
#include "cuda/decode/kernels.h"
#include "cuda/decode/small/kernel.cuh"

namespace nwc::cuda {

using namespace small;

int small_latents(const Segment* segments, uint32_t segment_count, const Tile* tiles, uint32_t tile_count,
                  const Group* groups, float* latents, TileState* states, uint32_t* repairs, uint32_t* statuses,
                  int multiprocessors, uint32_t shared_room, CUstream_st* stream) {
  return launch<kLinearWarps, Mode::kLatents>(segments, segment_count, tiles, tile_count, groups, nullptr, nullptr,
                                              latents, states, repairs, statuses, {}, multiprocessors, shared_room,
                                              stream);
}

int small_symbols(const Segment* segments, uint32_t segment_count, const Tile* tiles, uint32_t tile_count,
                  const Group* groups, uint8_t* symbols, uint32_t* statuses, int multiprocessors, uint32_t shared_room,
                  CUstream_st* stream) {
  return launch<kMostWarps, Mode::kSymbols>(segments, segment_count, tiles, tile_count, groups, nullptr, symbols,
                                            nullptr, nullptr, nullptr, statuses, {}, multiprocessors, shared_room,
                                            stream);
}

}  // namespace nwc::cuda
