// The epilogue warps of the wgmma kernel.
#pragma once

#include <cstdint>

#include "cuda/decode/tile_access.cuh"
#include "cuda/decode/wide/layout.cuh"
#include "cuda/support/hopper.cuh"

#ifdef NWC_HAS_WGMMA

namespace nwc::cuda::wide {

// The epilogue warp of one consumer warpgroup: publishes its next job and stores its last outputs while it multiplies.
struct Epilogue {
  const Tile* tiles;
  const WideItem* items;
  uint32_t item_count;
  const Group* groups;
  const float* latents;
  uint32_t warpgroup;

  // Job i of this block to `to`, its latents on their way to the L2 cache.
  __device__ void publish_job(Job* to, uint32_t i, uint32_t lane) const {
    Job job{latents, 0, 0, 0};
    if (i < item_count) {
      const WideItem item = items[i];
      const Tile& tile = tiles[item.tile];
      const uint32_t first = item.first_chunk + warpgroup * kGroupChunks, padded = (tile.chunks + 31) / 32 * 32;
      job = {latents + tile.latents_at + first, padded, first < padded ? padded - first : 0, groups[tile.group].level};
      const uint32_t chunk = 32 * (lane % 2);
      if (chunk < job.left)
        asm volatile("prefetch.global.L2 [%0];" ::"l"(job.latents + lane / 2 * size_t{padded} + chunk));
    }
    if (lane == 0) *to = job;
  }
  // As store_weight(), a chunk per lane: what a chunk's weights have in common is computed once.
  __device__ void store(const WideNetwork& network, uint32_t i, const float* y, uint32_t* repairs,
                        const uint32_t* statuses, uint32_t lane) const {
    if (i >= item_count) return;
    const WideItem item = items[i];
    const Tile& tile = tiles[item.tile];
    const Group& group = groups[tile.group];
    if (statuses[item.tile] != kTileDecoded) return;
    const uint32_t dtype = group.dtype;
    const int64_t size = dtype == kF32 ? 4 : 2;
#pragma unroll 1
    for (uint32_t part = 0; part < kGroupChunks; part += 32, y += 32 * kOutputStride) {
      const uint32_t chunk = item.first_chunk + warpgroup * kGroupChunks + part + lane;
      const bool active = chunk < tile.chunks;
      const Place place = place_of(group, tile, active ? chunk : 0, kWideChunk);
      const bool inside = active && place.column >= group.column_begin && place.column < group.column_end;
      const float scale = group.scales[place.column];
      const float* const factors = group.factors;
      const uint64_t end = group.row_end;
      const int64_t step = size * group.row_step;
      uint64_t row = place.row;
      char* to = static_cast<char*>(group.out) + static_cast<int64_t>(row - group.row_begin) * step +
                 static_cast<int64_t>(place.column - group.column_begin) * size * group.column_step;
      bool whole = true;
#pragma unroll 4
      for (uint32_t j = 0; j < kWideChunk; ++j, ++row, to += step) {
        const float v = y[lane * kOutputStride + j] + network.out_bias[j];
        whole = whole && finite(v);
        if (!inside || row < group.row_begin || row >= end) continue;
        const float weight = saturate(__fmul_rn(__fmul_rn(v, scale), factors != nullptr ? __ldg(factors + row) : 1.0f));
        if (dtype == kF32) {
          *reinterpret_cast<float*>(to) = weight;
        } else if (dtype == kBF16) {
          *reinterpret_cast<__nv_bfloat16*>(to) =
              __float2bfloat16_rn(fminf(fmaxf(weight, -3.38953139e38f), 3.38953139e38f));
        } else {
          *reinterpret_cast<__half*>(to) = __float2half_rn(fminf(fmaxf(weight, -65504.0f), 65504.0f));
        }
      }
      const uint32_t broken = __ballot_sync(kAllLanes, active && !whole);
      if (broken != 0 && lane == 0) atomicOr(&repairs[tile.first_block + chunk / 32], broken);
    }
  }
};

__device__ inline void run_epilogue(const Epilogue& epilogue, const WideNetwork& network, const float* y, Job* jobs,
                                    uint32_t* repairs, const uint32_t* statuses, uint32_t lane) {
  uint32_t slot = 0;
  for (uint32_t i = blockIdx.x; i - blockIdx.x % kCluster < epilogue.item_count; i += gridDim.x) {
    slot ^= 1;
    epilogue.publish_job(jobs + slot, i + gridDim.x, lane);
    named_barrier_arrive(kJobBarrier + epilogue.warpgroup, 128 + 32);
    named_barrier_sync(kOutputBarrier + epilogue.warpgroup, 128 + 32);
    epilogue.store(network, i, y, repairs, statuses, lane);
    __syncwarp();
  }
}

}  // namespace nwc::cuda::wide

#endif  // NWC_HAS_WGMMA
