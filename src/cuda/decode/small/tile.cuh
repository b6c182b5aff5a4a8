// A warp decodes a tile: its words, the network, and the epilogue of one of four modes.
#pragma once

#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

#include "cuda/decode/small/product.cuh"
#include "cuda/decode/small/slow_path.cuh"
#include "cuda/decode/small/words.cuh"

namespace nwc::cuda::small {

template <uint32_t kNumber>
using Number = std::integral_constant<uint32_t, kNumber>;

// The epilogue: what becomes of the symbols.
enum class Mode { kWeights, kProduct, kLatents, kSymbols };

// Latents of a group in binary32, escapes included: the input of the kernels for any codec. Returns where the next
// escape begins, ~0u if they are damaged.
__device__ inline uint32_t store_latents(const uint32_t (&packed)[kC / 4], const Tile& tile, const Group* group,
                                         uint32_t side_at, float* latents, uint32_t first, uint32_t lane, bool active) {
  SideReader side{tile.bytes, side_at, tile.size};
  const size_t stride = size_t{(tile.chunks + 31) / 32} * 32;
  float* const to = latents + tile.latents_at + first + lane;
#pragma unroll
  for (uint32_t c = 0; c < kC; ++c) {
    const Channel& channel = group->channels[c];
    const uint32_t symbol = packed[c / 4] >> 8 * (c % 4) & 0xFF;
    int32_t value = channel.minimum + static_cast<int32_t>(symbol + channel.escape - kSmallEscape);
    for (uint32_t escaped = __ballot_sync(kAllLanes, active && symbol == kSmallEscape); escaped != 0;
         escaped &= escaped - 1) {
      int32_t spelled = 0;
      if (__any_sync(kAllLanes, !side.escape(spelled))) return ~0u;
      if (lane == static_cast<uint32_t>(__ffs(escaped)) - 1) value = spelled;
    }
    to[c * stride] = active ? static_cast<float>(value) + channel.center : 0.0f;
  }
  return side.at;
}

template <Mode kMode, SmallShape kShape>
__device__ inline uint32_t decode_tile(const Tile* tile, const Group* group, const Network* network,
                                       const Shared& shared, WarpBuffers& buffers, uint8_t* symbols, float* latents,
                                       TileState* tile_state, uint32_t* repairs, const Product& product,
                                       uint32_t lane) {
  constexpr bool kSymbolsOnly = kMode == Mode::kSymbols || kMode == Mode::kLatents;
  Progress& progress = buffers.progress;
  float sums[2][4] = {};
  if (kMode == Mode::kLatents) {
    if (lane == 0) tile_state->non_finite = 0;
    for (uint32_t g = lane; g < (tile->chunks + 31) / 32; g += 32) repairs[tile->first_block + g] = 0;
  }
  TileHead head;
  if (!open_tile(*tile, lane, head)) return kTileDamaged;
  uint32_t state = head.state, next = 0, filled = 0, side_at = head.side_at, first = 0, word_count = head.word_count;
  if (kMode == Mode::kWeights) {
    if (lane == 0)
      progress.words_at = head.words_at, progress.word_count = word_count, progress.side = side_at,
      progress.pending_count = 0;
    progress.pending[lane] = ~0u;
  }
  // Places: the group's first chunk is column number `place` of the level, in `stripe`.
  uint32_t place = tile->first_place;
  uint64_t stripe = tile->first_stripe;
  bool paused = false;
  do {
    if (kMode == Mode::kWeights && __any_sync(kAllLanes, paused)) {
      if (__any_sync(kAllLanes, !finish_group<kShape>(tile, group, network, &shared.network, &buffers, lane)))
        return kTileDamaged;
      state = progress.state[lane], next = progress.next, filled = progress.filled, first = progress.first,
      place = progress.place, stripe = progress.stripe;
      word_count = progress.word_count;
      paused = false;
    }
    const uint32_t words_at = 4 + 4 * min(tile->chunks, 32u);
    WordStream words(buffers.ring, tile->bytes + words_at, tile->bytes + words_at + 2 * word_count, filled, lane);
    const uint32_t chunks = tile->chunks, count = group->count;
    const uint32_t lanes_below = (1u << lane) - 1, ring = shared_address(buffers.ring);
    const uint32_t slot_table = shared_address(&shared.tables.symbol_of_slot),
                   symbol_table = shared_address(&shared.tables.symbols);
    const float* const scales = kSymbolsOnly ? nullptr : group->scales;
    Output output{};
    if (!kSymbolsOnly) output = output_of(shared.network, lane);
    // Of the stripe: groups from `begin` on that end at most at `end` are stored together; where the lane's next such
    // weights go; its rows' factors.
    uint32_t together_begin = 0, together_end = 0;
    uint8_t* to = nullptr;
    int64_t eight_rows = 0;
    float low = 1, high = 1;
    const auto enter_stripe = [&] {
      const uint64_t row = stripe * kN;
      const bool straight = group->columns == nullptr && group->column_step == 1 && group->row_step % 8 == 0 &&
                            reinterpret_cast<uintptr_t>(group->out) % 16 == 0;
      const uint32_t begin = static_cast<uint32_t>(group->column_begin);
      const bool inside = straight && (place - begin) % 8 == 0 && row >= group->row_begin && row + kN <= group->row_end;
      together_begin = begin, together_end = inside ? static_cast<uint32_t>(group->column_end) : 0;
      const int64_t row_bytes = 2 * group->row_step;
      to = static_cast<uint8_t*>(group->out) + (static_cast<int64_t>(row - group->row_begin) + lane / 4) * row_bytes +
           2 * (static_cast<int64_t>(place) - begin) + 16 * (lane % 4);
      eight_rows = 8 * row_bytes;
      if (group->factors != nullptr && inside)
        low = group->factors[row + lane / 4], high = group->factors[row + lane / 4 + 8];
    };
    if (kMode == Mode::kWeights) enter_stripe();
    const bool has_factors = kMode == Mode::kWeights && group->factors != nullptr,
               is_bf16 = kMode == Mode::kWeights && group->dtype == kBF16;

    for (; __any_sync(kAllLanes, first < chunks); first += 32) {
      const bool active = first + lane < chunks;
      if (!active && state != kLowerBound) state = 0;  // finished, but not as it began: the final check refuses 0
      const uint32_t state_before = state, next_before = next;
      const uint32_t bound = active ? kLowerBound : 0;
      const bool together =
          kMode == Mode::kWeights &&
          __all_sync(kAllLanes, place >= together_begin && place + 32 <= together_end && first + 32 <= chunks);
      const float scale = kSymbolsOnly ? 0.0f : __ldg(scales + min(place + lane, count - 1));
      uint32_t z[kC / 2];
      uint32_t packed_symbols[kC / 4] = {};
      const auto pair = [&](auto channel) {
        constexpr uint32_t c = decltype(channel)::value;
        if (c % kStepsPerCheck == 0 && __any_sync(kAllLanes, words.filled - next < 2 * kSegmentWords))
          words.refill(lane);  // the vote shows nvcc that the branch is uniform
        uint32_t symbol[2];
        const uint32_t a = step<c>(state, next, slot_table, symbol_table, ring, bound, lanes_below, symbol[0]);
        const uint32_t b = step<c + 1>(state, next, slot_table, symbol_table, ring, bound, lanes_below, symbol[1]);
        if (kSymbolsOnly) packed_symbols[c / 4] |= (symbol[0] | symbol[1] << 8) << 16 * (c / 2 % 2);
        z[c / 2] = __byte_perm(a, b, 0x7632);
      };
      pair(Number<0>()), pair(Number<2>()), pair(Number<4>()), pair(Number<6>());
      pair(Number<8>()), pair(Number<10>()), pair(Number<12>()), pair(Number<14>());
      if (!active) state = state_before;
      if (kSymbolsOnly) {
        if (kMode == Mode::kLatents) {
          side_at = store_latents(packed_symbols, *tile, group, side_at, latents, first, lane, active);
          if (__any_sync(kAllLanes, side_at == ~0u)) return kTileDamaged;
        } else if (active) {
          *reinterpret_cast<uint4*>(symbols + (size_t{tile->first_block} * 32 + first + lane) * kC) =
              make_uint4(packed_symbols[0], packed_symbols[1], packed_symbols[2], packed_symbols[3]);
        }
        continue;
      }
      uint8_t* const row = buffers.staging + lane * kLatentStride;
      if (first + 32 > chunks && !active) {
#pragma unroll
        for (uint32_t i = 0; i < kC / 2; ++i) z[i] = 0;
      }
      reinterpret_cast<uint4*>(row)[0] = make_uint4(z[0], z[1], z[2], z[3]);
      reinterpret_cast<uint4*>(row)[1] = make_uint4(z[4], z[5], z[6], z[7]);
      buffers.scales[lane] = scale;
      __syncwarp();
      float y[4][4];
      synthesise<kShape>(shared.network, output, buffers.staging, lane, y);
      bool finite_now = all_finite(y);
      __syncwarp();  // weights overwrite the latents
      if (kMode == Mode::kProduct) {
        if (!finite_now) {  // NaN marks an escape
          side_at = read_escapes(tile->bytes, side_at, tile->size, group->channels, row, lane);
          if (__any_sync(kAllLanes, side_at == ~0u)) return kTileDamaged;
          __syncwarp();
          synthesise<kShape>(shared.network, output, buffers.staging, lane, y);
          if (!all_finite(y)) return kTileDamaged;  // the caller falls back
        }
        const float* const factors = group->factors != nullptr ? group->factors + stripe * kN : nullptr;
        const uint64_t row_low = stripe * kN + lane / 4;  // rows past the end are padding
        const float factor_low = factors != nullptr && row_low < product.rows ? factors[lane / 4] : 1.0f;
        const float factor_high = factors != nullptr && row_low + 8 < product.rows ? factors[lane / 4 + 8] : 1.0f;
#pragma unroll
        for (uint32_t n = 0; n < 4; ++n) {
          const float2 s = *reinterpret_cast<const float2*>(&buffers.scales[8 * n + 2 * (lane % 4)]);
          y[n][0] *= s.x * factor_low, y[n][1] *= s.y * factor_low, y[n][2] *= s.x * factor_high,
              y[n][3] *= s.y * factor_high;
        }
        multiply(y, product, place, sums, lane);
      } else if (finite_now && together) {
        scale_columns(y, buffers, lane);
        if (__any_sync(kAllLanes, has_factors)) {
#pragma unroll
          for (uint32_t n = 0; n < 4; ++n) y[n][0] *= low, y[n][1] *= low, y[n][2] *= high, y[n][3] *= high;
        }
        uint32_t packed_low[4], packed_high[4];
        if (__any_sync(kAllLanes, is_bf16)) {
          pack_rows<kBF16>(y, packed_low, packed_high);
        } else {
          pack_rows<kF16>(y, packed_low, packed_high);
        }
        store_together(packed_low, packed_high, buffers.staging, to, eight_rows, lane);
      } else {
        progress.group_state[lane] = state_before, progress.state[lane] = state;
        if (lane == 0) {
          progress.stripe = stripe, progress.first = first, progress.place = place, progress.word = next_before / 2;
          progress.next = next, progress.filled = words.filled;
        }
        __syncwarp();
        paused = true;
        break;
      }
      __syncwarp();
      place += 32, to += 64;
      if (__any_sync(kAllLanes, place >= count)) {
        if (kMode == Mode::kProduct) {
          add_rows(product, sums, stripe * kN, lane);
#pragma unroll
          for (uint32_t i = 0; i < 8; ++i) sums[i / 4][i % 4] = 0;
        }
        stripe += place / count;
        place %= count;
        if (kMode == Mode::kWeights) enter_stripe();
      }
    }
  } while (__any_sync(kAllLanes, paused));
  if (!__all_sync(kAllLanes, state == kLowerBound && next == 2 * word_count)) return kTileDamaged;
  if (kMode == Mode::kProduct) {
    add_rows(product, sums, stripe * kN, lane);
    return __all_sync(kAllLanes, side_at == tile->size) ? kTileDecoded : kTileDamaged;
  }
  if (kMode == Mode::kLatents && lane == 0) tile_state->side = side_at;
  if (kSymbolsOnly || __all_sync(kAllLanes, progress.side == tile->size && progress.pending_count == 0))
    return kTileDecoded;
  return finish_tile(tile, group, &progress, lane);
}

}  // namespace nwc::cuda::small
