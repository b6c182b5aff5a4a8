// Device functions that several kernels share: reading a tile's bytes, and writing weights.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "cuda/decode/device_types.h"

namespace nwc::cuda {

constexpr uint32_t kAllLanes = 0xFFFFFFFFu;

__device__ inline uint32_t load_u32(const uint8_t* at) {
  return at[0] | at[1] << 8 | at[2] << 16 | uint32_t{at[3]} << 24;
}

// The bytes of a tile behind its words: escapes, then patches. Every lane reads the same.
struct SideReader {
  const uint8_t* bytes;
  uint32_t at, end;

  // False where the tile ends, or the number is none of the format's.
  __device__ bool varint(uint64_t& value) {
    value = 0;
    for (uint32_t i = 0; i < 10; ++i) {
      if (at >= end) return false;
      const uint32_t byte = bytes[at++];
      if (i == 9 && byte > 1) return false;
      value |= uint64_t{byte & 0x7F} << (7 * i);
      if (byte < 0x80) return true;
    }
    return false;
  }
  __device__ bool escape(int32_t& value) {
    uint64_t coded;
    if (!varint(coded)) return false;
    const int64_t v = static_cast<int64_t>(coded >> 1) ^ -static_cast<int64_t>(coded & 1);
    if (v < -(1 << 30) || v > 1 << 30) return false;
    value = static_cast<int32_t>(v);
    return true;
  }
};

// A tile's head. `lanes` = min(32, chunks).
struct TileHead {
  uint32_t state, word_count, words_at, side_at;
};
// False if the tile's sizes contradict each other or a state is out of range; the same for all lanes.
__device__ inline bool open_tile(const Tile& tile, uint32_t lane, TileHead& head) {
  const uint32_t lanes = tile.chunks < 32 ? tile.chunks : 32;
  head.words_at = 4 + 4 * lanes;
  // Votes on uniform values show nvcc that the warp does not diverge.
  if (__any_sync(kAllLanes, tile.size < head.words_at)) return false;
  head.word_count = load_u32(tile.bytes);
  head.side_at = head.words_at + 2 * head.word_count;
  head.state = lane < lanes ? load_u32(tile.bytes + 4 + 4 * lane) : kLowerBound;
  return __all_sync(kAllLanes, head.state >= kLowerBound && head.word_count <= (tile.size - head.words_at) / 2);
}

// Where the weights of a chunk go: its column and the first row of its stripe.
struct Place {
  uint64_t column, row;
};
__device__ inline Place place_of(const Group& group, const Tile& tile, uint32_t chunk, uint32_t chunk_length) {
  const uint64_t index = uint64_t{tile.first_place} + chunk, stripe = index / group.count;
  const uint32_t p = static_cast<uint32_t>(index - stripe * group.count);
  return {group.columns != nullptr ? group.columns[p] : p, (tile.first_stripe + stripe) * chunk_length};
}

__device__ inline float saturate(float v) { return fminf(fmaxf(v, -3.402823466e38f), 3.402823466e38f); }

// Writes one weight, if it lies in the slice; y: the network's output.
__device__ inline void store_weight(const Group& group, uint64_t row, uint64_t column, float y) {
  if (row < group.row_begin || row >= group.row_end || column < group.column_begin || column >= group.column_end)
    return;
  const float weight =
      saturate(__fmul_rn(__fmul_rn(y, group.scales[column]), group.factors != nullptr ? group.factors[row] : 1.0f));
  const int64_t at = static_cast<int64_t>(row - group.row_begin) * group.row_step +
                     static_cast<int64_t>(column - group.column_begin) * group.column_step;
  if (group.dtype == kF32) {
    static_cast<float*>(group.out)[at] = weight;
  } else if (group.dtype == kF16) {
    static_cast<__half*>(group.out)[at] = __float2half_rn(fminf(fmaxf(weight, -65504.0f), 65504.0f));
  } else {
    static_cast<__nv_bfloat16*>(group.out)[at] =
        __float2bfloat16_rn(fminf(fmaxf(weight, -3.38953139e38f), 3.38953139e38f));
  }
}

__device__ inline bool finite(float v) { return fabsf(v) <= 3.402823466e38f; }

// Patches from side.at to the end of the tile. One warp; `is_pending(position)` tells whether a weight waits for its
// patch, called by all lanes alike. Returns the number of waiting weights that were mended, or ~0u if the patches are
// damaged.
template <class IsPending>
__device__ uint32_t apply_tile_patches(SideReader side, const Tile& tile, const Group& group, uint32_t chunk_length,
                                       uint32_t lane, IsPending is_pending) {
  const uint64_t weights = uint64_t{tile.chunks} * chunk_length;
  uint64_t next = 0;
  uint32_t mended = 0;
  while (side.at < side.end) {
    uint64_t gap;
    if (!side.varint(gap) || side.end - side.at < 2) return ~0u;
    const uint16_t bits = static_cast<uint16_t>(side.bytes[side.at] | side.bytes[side.at + 1] << 8);
    side.at += 2;
    if (next >= weights || gap >= weights - next) return ~0u;
    if ((bits & 0x7C00) == 0x7C00) return ~0u;
    const uint32_t position = static_cast<uint32_t>(next + gap);
    next += gap + 1;
    if (is_pending(position)) ++mended;
    if (lane == 0) {
      const Place place = place_of(group, tile, position / chunk_length, chunk_length);
      store_weight(group, place.row + position % chunk_length, place.column, __half2float(__ushort_as_half(bits)));
    }
  }
  return mended;
}

}  // namespace nwc::cuda
