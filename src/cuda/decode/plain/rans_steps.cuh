// A step of rANS decoding in one lane of a warp: the integer of a weight of a codec with a trellis, from tables in
// shared or in device memory. All lanes of the warp take part; `active` says which decode.
#pragma once

#include <cuda_runtime.h>

#include "cuda/decode/kernels.h"
#include "cuda/decode/tile_access.cuh"
#include "cuda/decode/word_stream.cuh"
#include "cuda/support/ptx.cuh"

namespace nwc::cuda {

inline constexpr uint32_t kRingBytes = 2 * kRingWords;

// A lane of a tile at work.
struct Lane {
  uint32_t state, next;  // next: byte of the next word
  uint32_t lanes_below;
  const uint32_t* ring;

  // Words for the lanes whose state fell below its bound.
  __device__ void refill(bool active) {
    const bool wants = active && state < kLowerBound;
    const uint32_t wanting = __ballot_sync(kAllLanes, wants), at = next + 2 * __popc(wanting & lanes_below);
    const uint32_t word =
        *reinterpret_cast<const uint16_t*>(reinterpret_cast<const uint8_t*>(ring) + (at & (kRingBytes - 2)));
    if (wants) state = state << 16 | word;
    next += 2 * __popc(wanting);
  }
};

// What a step decoded: the weight's integer; whether it is spelled out behind the words instead; where the path goes.
struct Symbol {
  float value;
  bool escape;
  uint32_t branch;
};

// `table`: in shared memory.
__device__ inline Symbol step_near(Lane& lane, uint32_t table, uint32_t odd, bool active) {
  const uint32_t slot = lane.state & (kSlots - 1);
  uint32_t at = table + kPlainBuckets + 4 * load_shared_byte(table + slot / 8);
  // Both are read before either is looked at.
  uint32_t entry = load_shared(at);
  const uint32_t after = load_shared(at + 4);
  if (slot >= after >> 20) entry = after;
  // Buckets with three symbols are rare.
  while (__builtin_expect(slot - (entry >> 20) >= (entry >> 8 & 0xFFF), 0)) entry = load_shared(at += 4);
  const uint32_t state = (entry >> 8 & 0xFFF) * (lane.state >> 12) + slot - (entry >> 20);
  if (active) lane.state = state;
  lane.refill(active);
  // 2^23 and the integer, moved, are a float's bits.
  const float value = __uint_as_float(0x4B000000u | 2 * (entry & 0xFF) | odd) - (8388608.0f + 256.0f);
  return {value, (entry & 0xFF) == 0, entry & 1};
}

__device__ inline Symbol step_far(Lane& lane, const Channel& table, uint32_t odd, bool active) {
  uint32_t symbol = 0, raw = 0;
  if (active) {
    const uint32_t entry = __ldg(table.slots + (lane.state & (kSlots - 1)));
    lane.state = (entry >> 8 & 0xFFF) * (lane.state >> 12) + (entry >> 20);
    symbol = entry & 0xFF;
  }
  lane.refill(active);
  const uint32_t shift = table.shift;
  if (__any_sync(kAllLanes, active && shift > 0)) {
    if (active) {
      raw = lane.state & ((1u << shift) - 1);
      lane.state >>= shift;
    }
    lane.refill(active);
  }
  const uint32_t offset = (symbol << shift) + raw;
  return {static_cast<float>(2 * (table.minimum + static_cast<int32_t>(offset)) + static_cast<int32_t>(odd)),
          symbol == table.escape, offset & 1};
}

}  // namespace nwc::cuda
