#include "entropy/rans_decode_cuda.h"

#include <cuda_runtime.h>

#include "nwcodec/limits.h"

namespace nwc {
namespace {

constexpr uint32_t kWarp = limits::kLanes;
static_assert(kWarp == 32, "a lane of the stream is a lane of the warp");
constexpr uint32_t kWarpsPerBlock = 4;
constexpr uint32_t kTableSlots = 1u << limits::kPrecisionBits;
constexpr uint32_t kAllLanes = 0xFFFFFFFFu;

// Gives every active lane whose state fell below 2^16 the next word, in the order of the lanes. False, for the whole warp,
// if there are too few words.
__device__ bool refill(uint32_t& state, bool active, uint32_t lane, const uint16_t* words, uint32_t word_count, uint32_t& next) {
  const bool wants = active && state < 1u << 16;
  const uint32_t wanting = __ballot_sync(kAllLanes, wants);
  const uint32_t count = __popc(wanting);
  if (count > word_count - next) return false;
  if (wants) state = state << 16 | words[next + __popc(wanting & ((1u << lane) - 1))];
  next += count;
  return true;
}

__device__ uint32_t decode_tile(const CudaRansTile& tile, uint32_t channels, uint32_t run_groups, size_t stride, uint32_t lane) {
  const bool used = lane < tile.chunks;
  uint32_t state = used ? tile.states[lane] : 1u << 16;
  uint32_t next = 0;
  const uint32_t groups = (tile.chunks + kWarp - 1) / kWarp;
  for (uint32_t run = 0; run < groups; run += run_groups) {
    const uint32_t run_end = min(groups, run + run_groups);
    for (uint32_t c = 0; c < channels; ++c) {
      const uint32_t* const slots = tile.slots + c * kTableSlots;
      const uint32_t shift = tile.shifts[c];
      for (uint32_t g = run; g < run_end; ++g) {
        const uint32_t chunk = g * kWarp + lane;
        const bool active = chunk < tile.chunks;
        if (active) {
          const uint32_t entry = __ldg(slots + (state & (kTableSlots - 1)));
          state = (entry >> 8 & 0xFFF) * (state >> limits::kPrecisionBits) + (entry >> 20);
          tile.symbols[c * stride + chunk] = static_cast<uint8_t>(entry);
        }
        if (!refill(state, active, lane, tile.words, tile.word_count, next)) return kCudaTileDamaged;
        if (shift == 0) continue;
        if (active) {
          tile.raws[c * stride + chunk] = static_cast<uint16_t>(state & ((1u << shift) - 1));
          state >>= shift;
        }
        if (!refill(state, active, lane, tile.words, tile.word_count, next)) return kCudaTileDamaged;
      }
    }
  }
  if (used) tile.states[lane] = state;
  const bool whole = __all_sync(kAllLanes, state == 1u << 16) && next == tile.word_count;
  return whole ? kCudaTileDecoded : kCudaTileDamaged;
}

__global__ void __launch_bounds__(kWarp * kWarpsPerBlock)
decode_tiles(const CudaRansTile* tiles, uint32_t count, uint32_t channels, uint32_t run_groups, size_t stride, uint32_t* statuses) {
  const uint32_t lane = threadIdx.x % kWarp, number = blockIdx.x * kWarpsPerBlock + threadIdx.x / kWarp;
  if (number >= count) return;  // the whole warp
  const uint32_t status = decode_tile(tiles[number], channels, run_groups, stride, lane);
  if (lane == 0) statuses[number] = status;
}

}  // namespace

int rans_decode_cuda(const CudaRansTile* tiles, uint32_t count, uint32_t channels, uint32_t run_groups, size_t stride, uint32_t* statuses,
                     CUstream_st* stream) {
  if (count == 0) return cudaSuccess;
  decode_tiles<<<(count + kWarpsPerBlock - 1) / kWarpsPerBlock, kWarp * kWarpsPerBlock, 0, stream>>>(tiles, count, channels, run_groups,
                                                                                                  stride, statuses);
  return cudaGetLastError();
}

}  // namespace nwc
