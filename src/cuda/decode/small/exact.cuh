// A group of chunks in binary32, by the rules of docs/format.md: for activations beyond binary16.
#pragma once

#include <cstdint>

#include "cuda/decode/small/layout.cuh"
#include "cuda/decode/tile_access.cuh"

namespace nwc::cuda::small {

struct Cursor {  // where a group begins, to decode it again
  uint32_t state, word, side;
};

// Weights that are not finite and wait for a patch.
struct Pending {
  uint32_t count, position;  // lane n keeps the n-th position
};
// From the group's words on, one chunk per lane. Returns `pending` with the weights that are not finite appended.
__device__ __forceinline__ Pending decode_exactly(const Tile* tile_, const Group* group_, const Network* net_,
                                                  uint32_t words_at, uint32_t word_count, Cursor cursor,
                                                  uint32_t first_chunk, uint32_t lane, Pending pending) {
  const Tile& tile = *tile_;
  const Group& group = *group_;
  const Network& net = *net_;
  float x[kW], u[kW];
  const bool active = first_chunk + lane < tile.chunks;
  SideReader side{tile.bytes, cursor.side, tile.size};
#pragma unroll 1
  for (uint32_t c = 0; c < kC; ++c) {
    const Channel& channel = group.channels[c];
    const uint32_t entry = channel.slots[cursor.state & (kSlots - 1)];
    if (active) cursor.state = (entry >> 8 & 0xFFF) * (cursor.state >> 12) + (entry >> 20);
    const uint32_t wanting = __ballot_sync(kAllLanes, active && cursor.state < kLowerBound);
    if (wanting >> lane & 1) {
      const uint32_t at = cursor.word + __popc(wanting & ((1u << lane) - 1));
      cursor.state = cursor.state << 16 |
                     (at < word_count ? tile.bytes[words_at + 2 * at] | tile.bytes[words_at + 2 * at + 1] << 8 : 0);
    }
    cursor.word += __popc(wanting);
    int32_t value = channel.minimum + static_cast<int32_t>(entry & 0xFF);
    for (uint32_t escaped = __ballot_sync(kAllLanes, active && (entry & 0xFF) == channel.escape); escaped != 0;
         escaped &= escaped - 1) {
      int32_t spelled = 0;
      side.escape(spelled);  // was validated when it was first read
      if (lane == static_cast<uint32_t>(__ffs(escaped)) - 1) value = spelled;
    }
    x[c] = static_cast<float>(value) + channel.center;
  }
  const auto linear = [](const Linear& layer, const float* in, float* out) {
    for (uint32_t j = 0; j < layer.outputs; ++j) {
      const float* const weights = layer.packed + j / 8 * 8 * layer.inputs + j % 8;
      float acc = layer.bias[j];
      for (uint32_t k = 0; k < layer.inputs; ++k) acc = __fmaf_rn(weights[8 * k], in[k], acc);
      out[j] = acc;
    }
  };
  float h[kW];
  if (net.depth == 0) {
    for (uint32_t k = 0; k < kC; ++k) h[k] = __fmul_rn(x[k], net.embeddings[group.level * kC + k]);
  } else {
    linear(net.in, x, h);
  }
  for (uint32_t b = 0; b < net.depth; ++b) {
    const Block& block = net.blocks[b];
    const float* const embedding = net.embeddings + ((net.embedding_sets == 1 ? 0 : b) * net.levels + group.level) * kW;
    linear(block.linear, h, u);
    float sum = 0, squares = 0;
    for (uint32_t j = 0; j < kW; ++j) sum = __fadd_rn(sum, u[j]);
    const float mean = __fdiv_rn(sum, static_cast<float>(kW));
    for (uint32_t j = 0; j < kW; ++j) squares = __fmaf_rn(__fsub_rn(u[j], mean), __fsub_rn(u[j], mean), squares);
    const float r = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(__fdiv_rn(squares, static_cast<float>(kW)), 1e-5f)));
    for (uint32_t j = 0; j < kW; ++j) {
      const float a = __fmaf_rn(__fmul_rn(__fsub_rn(u[j], mean), r), block.gain[j], block.offset[j]);
      h[j] = __fmul_rn(__fadd_rn(h[j], a > 0.0f ? a : 0.0f), embedding[j]);
    }
  }
  linear(net.out, h, u);
  const uint32_t chunk = first_chunk + lane;
  for (uint32_t j = 0; j < kN; ++j) {
    const bool lost = active && !finite(u[j]);
    if (active && !lost) {
      const Place place = place_of(group, tile, chunk, kN);
      store_weight(group, place.row + j, place.column, u[j]);
    }
    for (uint32_t losses = __ballot_sync(kAllLanes, lost); losses != 0; losses &= losses - 1) {
      const uint32_t position = (first_chunk + static_cast<uint32_t>(__ffs(losses)) - 1) * kN + j;
      if (lane == pending.count) pending.position = position;
      ++pending.count;
    }
  }
  return pending;
}

}  // namespace nwc::cuda::small
