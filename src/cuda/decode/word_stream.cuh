// A tile's rANS words through a ring in shared memory.
#pragma once

#include <cstdint>

namespace nwc::cuda {

constexpr uint32_t kSegmentWords = 128, kRingWords = 2 * kSegmentWords;  // a refill is 8 bytes per lane

// The words of one tile, streamed through shared memory. Reads nothing outside the tile but the rest of its last 32-bit
// word.
struct WordStream {
  uint32_t* ring;
  const uint32_t* source;  // aligned down
  int32_t last;            // word of 32 bits; -1, still in the tile, if there are no words
  uint32_t shift;          // 8 * the bytes that were aligned away
  uint32_t filled;         // bytes in the ring so far
  uint32_t ahead[3];       // the lane's part of the next segment, prefetched

  // `filled` bytes stand in the ring from before.
  __device__ WordStream(uint32_t* ring_, const uint8_t* words, const uint8_t* end, uint32_t filled_, uint32_t lane)
      : ring(ring_), filled(filled_) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(words);
    source = reinterpret_cast<const uint32_t*>(address & ~uintptr_t{3});
    shift = 8 * (address & 3);
    last = static_cast<int32_t>((reinterpret_cast<uintptr_t>(end) - reinterpret_cast<uintptr_t>(source) + 3) / 4) - 1;
    prefetch(lane);
  }
  __device__ void prefetch(uint32_t lane) {
    const uint32_t at = filled / 4 + 2 * lane;
#pragma unroll
    for (uint32_t i = 0; i < 3; ++i)
      ahead[i] = __ldg(source + min(static_cast<int32_t>(at + i), last));  // no select, which would wait for the load
  }
  __device__ void refill(uint32_t lane) {
    __syncwarp();
    *reinterpret_cast<uint2*>(ring + (filled / 4 + 2 * lane) % (kRingWords / 2)) =
        make_uint2(__funnelshift_r(ahead[0], ahead[1], shift), __funnelshift_r(ahead[1], ahead[2], shift));
    filled += 2 * kSegmentWords;
    prefetch(lane);
    __syncwarp();
  }
};

}  // namespace nwc::cuda
