// Small codecs (the shipped `fast-*`) in one kernel: rANS words in, weights out, nothing else through device memory.
//
// A warp decodes a tile, a lane one of its interleaved states. Tiles whose runs are single groups give a lane all 16
// latents of its chunk in 16 steps; 32 chunks then go through g_s on the tensor cores (mma.m16n8k16, chunks as rows, so
// that a layer's result is in the next layer's operand layout) and leave as rows of 32 neighbouring columns.
// Activations are binary16: a chunk beyond its range becomes not finite, and is recomputed in binary32 by the rules of
// docs/format.md. Blocks are persistent, with the tables of one level in shared memory.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/decode/small/tile.cuh"

namespace nwc::cuda::small {

// By the whole block; complete after cp.async.wait_all and a barrier.
template <uint32_t kWarps>
__device__ inline void copy_to_shared(void* to, const void* from, uint32_t bytes) {
  for (uint32_t at = 16 * threadIdx.x; at < bytes; at += 16 * 32 * kWarps) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;"
                 :
                 : "r"(shared_address(to) + at), "l"(static_cast<const uint8_t*>(from) + at)
                 : "memory");
  }
}
// A tile's bytes to the L2 cache while the tables are copied.
__device__ inline void prefetch(const Tile& tile, uint32_t lane) {
  constexpr uint32_t kLine = 128, kMost = 16384;
  for (uint32_t at = kLine * lane; at < min(tile.size, kMost); at += kLine * 32)
    asm volatile("prefetch.global.L2 [%0];" : : "l"(tile.bytes + at));
}

template <uint32_t kWarps, Mode kMode, SmallShape kShape>
__global__ void __launch_bounds__(32 * kWarps, 1)
    small_decode_kernel(const Segment* segments, uint32_t segment_count, const Tile* tiles, uint32_t tile_count,
                        const Group* groups, const Network* network, uint8_t* symbols, float* latents,
                        TileState* states, uint32_t* repairs, uint32_t* statuses, Product product) {
  extern __shared__ uint8_t memory[];
  // Dynamic shared memory has a smaller alignment.
  const uint32_t wasted = (alignof(Shared) - shared_address(memory) % alignof(Shared)) % alignof(Shared);
  Shared& shared = *reinterpret_cast<Shared*>(memory + wasted);
  WarpBuffers& buffers = reinterpret_cast<WarpBuffers*>(memory + wasted + sizeof(Shared))[threadIdx.x / 32];
  uint32_t lane;
  asm volatile("mov.u32 %0, %%laneid;" : "=r"(lane));  // volatile: read once, not wherever a register would be saved
  // A run of neighbouring tiles each, so that tables are seldom loaded.
  const uint32_t begin = static_cast<uint32_t>(uint64_t{tile_count} * blockIdx.x / gridDim.x);
  const uint32_t end = static_cast<uint32_t>(uint64_t{tile_count} * (blockIdx.x + 1) / gridDim.x);
  for (uint32_t s = 0; __any_sync(kAllLanes, s < segment_count); ++s) {
    const Segment segment = segments[s];
    if (__any_sync(kAllLanes, segment.end <= begin)) continue;
    if (__any_sync(kAllLanes, segment.begin >= end)) break;
    const uint32_t last = min(segment.end, end);
    __syncthreads();
    copy_to_shared<kWarps>(&shared.tables, segment.tables, sizeof(SmallTables));
    if (kMode == Mode::kWeights || kMode == Mode::kProduct)
      copy_to_shared<kWarps>(&shared.network, segment.network, sizeof(SmallNetwork));
    // The first tiles go to warps in turn, so that each scheduler has as many; the others to whichever is free.
    const uint32_t first = max(segment.begin, begin);
    if (threadIdx.x == 0) shared.next_tile = first + kWarps;
    uint32_t number = first + threadIdx.x / 32;
    if (number < last) prefetch(tiles[number], lane);
    asm volatile("cp.async.wait_all;" : : : "memory");
    __syncthreads();
    while (!__any_sync(kAllLanes, number >= last)) {
      const uint32_t status =
          decode_tile<kMode, kShape>(tiles + number, groups + tiles[number].group, network, shared, buffers, symbols,
                                     latents, states + number, repairs, product, lane);
      __syncwarp();
      if (lane == 0) {
        statuses[number] = status;
        number = atomicAdd(&shared.next_tile, 1u);
      }
      number = __shfl_sync(kAllLanes, number, 0);
    }
  }
}

template <uint32_t kWarps>
constexpr uint32_t kSharedBytes = static_cast<uint32_t>(alignof(Shared) + sizeof(Shared) +
                                                        kWarps * sizeof(WarpBuffers));

template <uint32_t kWarps, Mode kMode, SmallShape kShape = SmallShape::kLinear>
int launch(const Segment* segments, uint32_t segment_count, const Tile* tiles, uint32_t tile_count, const Group* groups,
           const Network* network, uint8_t* symbols, float* latents, TileState* states, uint32_t* repairs,
           uint32_t* statuses, const Product& product, int multiprocessors, uint32_t shared_room, CUstream_st* stream) {
  if (tile_count == 0 || segment_count == 0) return cudaSuccess;
  if constexpr (kWarps > kFewWarps) {
    if (kSharedBytes < kWarps >> shared_room) {
      return launch<kFewWarps, kMode, kShape>(segments, segment_count, tiles, tile_count, groups, network, symbols,
                                              latents, states, repairs, statuses, product, multiprocessors, shared_room,
                                              stream);
    }
  }
  constexpr int kBytes = kSharedBytes<kWarps>;
  const auto kernel = small_decode_kernel<kWarps, kMode, kShape>;
  if (const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes))
    return error;
  const uint32_t blocks =
      tile_count < static_cast<uint32_t>(multiprocessors) ? tile_count : static_cast<uint32_t>(multiprocessors);
  kernel<<<blocks, 32 * kWarps, kBytes, stream>>>(segments, segment_count, tiles, tile_count, groups, network, symbols,
                                                  latents, states, repairs, statuses, product);
  return cudaGetLastError();
}

}  // namespace nwc::cuda::small
