// Constants of the small codecs' kernel, and what stands where in its shared memory.
#pragma once

#include <cstdint>

#include "cuda/decode/device_types.h"
#include "cuda/decode/word_stream.cuh"

namespace nwc::cuda::small {

constexpr uint32_t kC = kSmallLatents, kN = kSmallChunk, kW = kSmallWidth;
constexpr uint32_t kStepsPerCheck = 4;  // steps between tests of the ring: they take at most kSegmentWords
// Warps of a block. The last is for where shared memory has no room for more (compute capability 8.0).
constexpr uint32_t kLinearWarps = 24, kResidualWarps = 16, kMostWarps = 32, kFewWarps = 12;
// Bytes from one chunk's latents to the next one's, and from one row of 32 weights to the next: no bank conflicts.
constexpr uint32_t kLatentStride = 48, kRowStride = 80;

// The state of a tile across finish_group(): the loop over groups saves it here and restores it, as values that live
// across the rare case would be in local memory all of the time. Nor are there calls: functions out of line take
// registers from the whole kernel.
struct Progress {
  uint64_t stripe;
  uint32_t first, place;                // of the group
  uint32_t word;                        // where its words begin
  uint32_t next, filled;                // of the word stream, behind the group
  uint32_t words_at, word_count;        // of the tile
  uint32_t side;                        // where the next escape begins
  uint32_t pending_count;               // weights that are not finite
  uint32_t group_state[32], state[32];  // of the lanes, before and behind the group
  uint32_t pending[32];
};
// Aligned to the ring, so that an offset into it can be or-ed to its address.
struct alignas(512) WarpBuffers {
  uint32_t ring[kRingWords / 2];
  alignas(16) uint8_t staging[kN * 32 * sizeof(float)];  // latents of 32 chunks, then rows of weights
  float scales[32];
  Progress progress;
};
static_assert(sizeof(WarpBuffers::ring) == 512 && 32 * kLatentStride <= sizeof(WarpBuffers::staging));
// Likewise.
struct alignas(4096) Shared {
  SmallTables tables;
  SmallNetwork network;
  uint32_t next_tile;
};

}  // namespace nwc::cuda::small
