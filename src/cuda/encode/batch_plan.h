// Batches of columns for the kernels of any codec, and where their chunks stand.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cuda/decode/device_types.h"
#include "cuda/encode/kernels.h"
#include "cuda/support/blob.h"

namespace nwc::cuda {

// What one batch needs of a BatchPlan's block of memory; offsets.
struct PlannedBatch {
  uint32_t begin = 0, end = 0;                   // positions
  size_t at = 0, stride = 0;                     // of the columns (Batch)
  size_t tiles = 0, items = 0, block_tiles = 0;  // for the networks: a tile for each level
  size_t analysis_groups = 0, synthesis_groups = 0;
  uint32_t tile_count = 0, item_count = 0, block_count = 0;
};

struct BatchPlan {
  Blob blob;
  std::vector<PlannedBatch> batches;  // in the order of work: the last positions first
  size_t buffer_floats = 0;           // of each of BatchBuffers
  uint32_t most_tiles = 0, most_blocks = 0, most_columns = 0;
};

// For `slots` stripes of a matrix of `columns`. `block_size`: of feedback; 0 without, where batches have kBatchChunks
// chunks. `order` and `levels` may be empty. `latents` and `decoded`: the buffers that
// analysis and synthesis write to, in device memory.
BatchPlan plan_batches(uint64_t columns, uint32_t slots, uint32_t block_size, std::span<const uint32_t> order,
                       std::span<const uint8_t> levels, unsigned level_count, float* latents, float* decoded);
// buffer_floats of any plan with these arguments at most: what the buffers must hold beforehand.
size_t batch_buffer_floats(uint64_t columns, uint32_t slots, uint32_t block_size, unsigned level_count);

}  // namespace nwc::cuda
