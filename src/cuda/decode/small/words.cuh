// A tile's rANS words through a ring in shared memory, and the step that decodes a symbol of each lane.
#pragma once

#include <cstdint>

#include "cuda/decode/small/layout.cuh"

namespace nwc::cuda::small {

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

// One step: the symbol of a lane's state, and words for the states that fell below `bound` (0 for a lane without a
// chunk). `next` is the byte of the next word. Returns the symbol's latent (upper half) and start.
template <uint32_t kChannel>
__device__ inline uint32_t step(uint32_t& state, uint32_t& next, uint32_t slots, uint32_t symbols, uint32_t ring,
                                uint32_t bound, uint32_t lanes_below, uint32_t& symbol) {
  uint32_t difference, latent_and_start;
  asm("ld.shared.u8 %0, [%1 + %2];" : "=r"(symbol) : "r"((state & (kSlots - 1)) | slots), "n"(kChannel * kSlots));
  asm("ld.shared.v2.u32 {%0, %1}, [%2 + %3];"
      : "=r"(difference), "=r"(latent_and_start)
      : "r"(symbols + 8 * symbol), "n"(kChannel * 2048));
  state += (state >> 12) * difference - (latent_and_start & 0xFFFF);
  asm volatile(
      "{\n"
      ".reg .pred wants;\n"
      ".reg .b32 wanting, at, word;\n"
      "setp.lt.u32 wants, %0, %2;\n"
      "vote.sync.ballot.b32 wanting, wants, 0xffffffff;\n"
      "and.b32 at, wanting, %3;\n"
      "popc.b32 at, at;\n"
      "mad.lo.u32 at, at, 2, %1;\n"
      "lop3.b32 at, at, 510, %4, 0xEA;\n"  // (at & 510) | ring
      "ld.shared.u16 word, [at];\n"
      "@wants prmt.b32 %0, word, %0, 0x5410;\n"
      "popc.b32 wanting, wanting;\n"
      "mad.lo.u32 %1, wanting, 2, %1;\n"
      "}"
      : "+r"(state), "+r"(next)
      : "r"(bound), "r"(lanes_below), "r"(ring)
      : "memory");
  return latent_and_start;
}

}  // namespace nwc::cuda::small
