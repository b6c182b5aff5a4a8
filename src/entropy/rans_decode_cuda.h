// The CUDA body of the rANS decoder: a warp per tile, a lane per interleaved state. Same contract as entropy/rans_kernel.h, but
// batched, stream-ordered, and with a status per tile in device memory.
//
// Neither allocates nor synchronises. Only in builds with NWCODEC_WITH_CUDA.
#pragma once

#include <cstddef>
#include <cstdint>

struct CUstream_st;  // cudaStream_t, without including the CUDA headers

namespace nwc {

// One tile. All pointers are device pointers that the caller owns until the stream has passed the launch.
struct CudaRansTile {
  const uint32_t* slots;   // tables of the tile's level: [channels][4096] entries as in DecodingTable
  const uint8_t* shifts;   // [channels]
  uint32_t* states;        // 32 entries, of which min(32, chunks) are used; left as they are after the last step
  const uint16_t* words;   // aligned to 2 bytes
  uint32_t word_count;
  uint32_t chunks;         // >= 1
  uint8_t* symbols;        // out: [channels][stride]
  uint16_t* raws;          // out: [channels][stride], or null if no channel has a shift
};

// Status words, one per tile.
inline constexpr uint32_t kCudaTileDecoded = 0;   // all steps done, all words used, every state back at 2^16
inline constexpr uint32_t kCudaTileDamaged = 1;   // anything else: the symbols must not be used

// Enqueues the decoding of `count` tiles on `stream`. `tiles` and `statuses` (count words, out) are device arrays; `stride` >= chunks of
// every tile rounded up to 32. Returns a cudaError_t: 0 if the launch was accepted.
int rans_decode_cuda(const CudaRansTile* tiles, uint32_t count, uint32_t channels, uint32_t run_groups, size_t stride, uint32_t* statuses,
                     CUstream_st* stream);

}  // namespace nwc
