// Small codecs: compressed bytes to a matrix-vector product.
#include "cuda/decode/kernels.h"
#include "cuda/decode/small/kernel.cuh"

namespace nwc::cuda {

using namespace small;

int small_product(SmallShape shape, const Segment* segments, uint32_t segment_count, const Tile* tiles,
                  uint32_t tile_count, const Group* groups, const Network* network, const void* x, float* y,
                  uint32_t batch, uint32_t columns, uint32_t rows, uint32_t* statuses, int multiprocessors,
                  uint32_t shared_room, CUstream_st* stream) {
  const Product product{static_cast<const __half*>(x), y, batch, columns, rows};
  const auto run = shape == SmallShape::kLinear ? launch<kLinearWarps, Mode::kProduct, SmallShape::kLinear>
                                                : launch<kResidualWarps, Mode::kProduct, SmallShape::kResidual>;
  return run(segments, segment_count, tiles, tile_count, groups, network, nullptr, nullptr, nullptr, nullptr, statuses,
             product, multiprocessors, shared_room, stream);
}

}  // namespace nwc::cuda
