// The step that decodes a symbol of each lane.
#pragma once

#include <cstdint>

#include "cuda/decode/small/layout.cuh"
#include "cuda/decode/word_stream.cuh"

namespace nwc::cuda::small {

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
