// Small codecs: compressed bytes to weights.
#include "cuda/decode/kernels.h"
#include "cuda/decode/small/kernel.cuh"

namespace nwc::cuda {

using namespace small;

uint32_t small_least_shared_bytes() { return kSharedBytes<kFewWarps>; }

int small_decode(SmallShape shape, const Segment* segments, uint32_t segment_count, const Tile* tiles,
                 uint32_t tile_count, const Group* groups, const Network* network, uint32_t* statuses,
                 int multiprocessors, uint32_t shared_room, CUstream_st* stream) {
  // More warps are slower each, but save a second wave where they take all tiles at once.
  const uint32_t each = (tile_count - 1) / static_cast<uint32_t>(multiprocessors) + 1;  // no tiles: launch() returns
  const auto linear = each > kLinearWarps && each <= kMostWarps
                          ? launch<kMostWarps, Mode::kWeights, SmallShape::kLinear>
                          : launch<kLinearWarps, Mode::kWeights, SmallShape::kLinear>;
  const auto run =
      shape == SmallShape::kLinear ? linear : launch<kResidualWarps, Mode::kWeights, SmallShape::kResidual>;
  return run(segments, segment_count, tiles, tile_count, groups, network, nullptr, nullptr, nullptr, nullptr, statuses,
             {}, multiprocessors, shared_room, stream);
}

}  // namespace nwc::cuda
