// What a CudaBatch holds: its tiles in the form that the kernels read, and where everything stands in scratch memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cuda/decode/decoder.h"
#include "cuda/support/blob.h"
#include "nwcodec/cuda.h"

namespace nwc {

struct CudaBatch::State {
  const CudaDecoder::State* decoder = nullptr;
  cuda::Blob blob;
  // Offsets in the blob.
  size_t groups_at = 0, small_tiles_at = 0, tiles_at = 0, segments_at = 0, block_tiles_at = 0, items_at = 0;
  uint32_t small_tiles = 0, tiles = 0, segments = 0, blocks = 0, small_blocks = 0;
  // Of `blocks`, those of wide networks come first, in so many items.
  uint32_t wide_blocks = 0, items = 0;
  // Of codecs with a trellis, the classes whose tables are in shared memory: the first, their number, their places.
  uint32_t near_first = 0, near_count = 0;
  size_t near_places_at = 0;
  // Tiles of these go through the fused kernel's entropy decoder.
  size_t entropy_segments_at = 0;
  uint32_t entropy_segments = 0;
  // Offsets in the scratch memory, behind the blob.
  size_t latents_at = 0, states_at = 0, repairs_at = 0, scratch_bytes = 0;
  struct Source {
    uint32_t tensor;
    uint64_t tile;
  };
  std::vector<Source> sources;  // of each status
  std::vector<std::string> names;
  // Of the only tensor, if multiply() takes it.
  uint32_t product_rows = 0, product_columns = 0;
};

}  // namespace nwc
