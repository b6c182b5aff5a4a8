// The rare cases of a tile: escapes, groups that are not stored as whole rows, groups beyond binary16, patches.
#pragma once

#include <cuda_fp16.h>

#include <cstdint>

#include "cuda/decode/small/exact.cuh"
#include "cuda/decode/small/network.cuh"
#include "cuda/decode/small/store.cuh"

namespace nwc::cuda::small {

// Escaped latents of the group in the lanes' rows, in the order of the stream. Returns where the next escape
// begins, ~0u if they are damaged.
__device__ __forceinline__ uint32_t read_escapes(const uint8_t* bytes, uint32_t at, uint32_t end,
                                                 const Channel* channels, uint8_t* row, uint32_t lane) {
  SideReader side{bytes, at, end};
#pragma unroll 1
  for (uint32_t c = 0; c < kC; ++c) {
    __half* const latent = reinterpret_cast<__half*>(row) + c;
    for (uint32_t escaped = __ballot_sync(kAllLanes, __hisnan(*latent)); escaped != 0; escaped &= escaped - 1) {
      int32_t value;
      if (!side.escape(value)) return ~0u;
      if (lane == static_cast<uint32_t>(__ffs(escaped)) - 1)
        *latent = __float2half_rn(static_cast<float>(value) + channels[c].center);
    }
  }
  return side.at;
}

// A group that is not all finite in binary16 or does not go to whole rows of 16 bytes; its latents stand in
// `buffers.staging`. False if the tile is damaged. All it needs stands in shared memory: see Progress.
template <SmallShape kShape>
__device__ __forceinline__ bool finish_group(const Tile* tile, const Group* group, const Network* network,
                                             const SmallNetwork* small_network, WarpBuffers* buffers, uint32_t lane) {
  Progress& progress = buffers->progress;
  uint8_t* const staging = buffers->staging;
  const Output output = output_of(*small_network, lane);
  const Cursor cursor{progress.group_state[lane], progress.word, progress.side};
  const uint32_t first = progress.first, count = group->count;
  uint64_t stripe = progress.stripe;
  uint32_t place = progress.place;
  __syncwarp();
  if (lane == 0)
    progress.first = first + 32, progress.stripe = stripe + (place + 32) / count, progress.place = (place + 32) % count;
  float y[4][4];
  synthesise<kShape>(*small_network, output, staging, lane, y);
  bool finite_now = all_finite(y);
  __syncwarp();
  if (!finite_now) {  // NaN marks an escape; what is still not finite is too large for binary16
    const uint32_t side =
        read_escapes(tile->bytes, cursor.side, tile->size, group->channels, staging + lane * kLatentStride, lane);
    if (__any_sync(kAllLanes, side == ~0u)) return false;
    __syncwarp();
    if (lane == 0) progress.side = side;
    synthesise<kShape>(*small_network, output, staging, lane, y);
    finite_now = all_finite(y);
    __syncwarp();
  }
  if (!finite_now) {
    const Pending pending = decode_exactly(tile, group, network, progress.words_at, progress.word_count, cursor, first,
                                           lane, {progress.pending_count, progress.pending[lane]});
    __syncwarp();
    progress.pending[lane] = pending.position;
    if (lane == 0) progress.pending_count = pending.count;
    __syncwarp();
    return true;
  }
  float* const rows = reinterpret_cast<float*>(staging) + lane / 4 * 32 + 2 * (lane % 4);
#pragma unroll
  for (uint32_t n = 0; n < 4; ++n) {
    *reinterpret_cast<float2*>(rows + 8 * n) = make_float2(y[n][0], y[n][1]);
    *reinterpret_cast<float2*>(rows + 8 * n + 8 * 32) = make_float2(y[n][2], y[n][3]);
  }
  __syncwarp();
  place += lane;
  if (place >= count) {
    stripe += place / count;
    place %= count;
  }
  store_apart(group, reinterpret_cast<const float*>(staging), stripe, place, lane, first + lane < tile->chunks);
  __syncwarp();
  return true;
}

// Side data behind the words: patches, which may replace weights that are not finite.
__device__ __forceinline__ uint32_t finish_tile(const Tile* tile, const Group* group, const Progress* progress,
                                                uint32_t lane) {
  if (__any_sync(kAllLanes, progress->pending_count > kMaxNonFinite)) return kTileDamaged;
  const uint32_t position_of_lane = progress->pending[lane];
  const auto is_pending = [&](uint32_t position) { return __any_sync(kAllLanes, position_of_lane == position); };
  return apply_tile_patches({tile->bytes, progress->side, tile->size}, *tile, *group, kN, lane, is_pending) ==
                 progress->pending_count
             ? kTileDecoded
             : kTileDamaged;
}

}  // namespace nwc::cuda::small
