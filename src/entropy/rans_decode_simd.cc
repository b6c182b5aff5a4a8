// SIMD bodies of the rANS decoder. NEON has no gather and takes the scalar body.
#include "base/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "entropy/rans_decode_simd.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>

#include "entropy/rans_lanes-inl.h"

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
HWY_BEFORE_NAMESPACE();
namespace nwc {
namespace HWY_NAMESPACE {
namespace {

// The table of a channel whose chunks share it.
struct SharedTable {
  const uint32_t* slots;
  uint32_t shift;
};

// Full groups of one channel of kTiles tiles side by side: one tile's step is a chain of dependent operations, several
// keep the CPU busy. Goes on while every tile has the words of a worst-case step; returns the number of groups done.
template <size_t kTiles, bool kHasShift>
HWY_INLINE uint32_t decode_groups(const SharedTable& table, uint32_t groups, size_t first_symbol,
                                  Cursor* HWY_RESTRICT cursors) {
  const D d;
  const hn::RebindToSigned<D> di;
  const hn::Rebind<uint16_t, D> d16;
  const size_t n = hn::Lanes(d);
  const V slot_mask = hn::Set(d, kSlotMask), frequency_mask = hn::Set(d, 0xFFF),
          raw_mask = hn::Set(d, (1u << table.shift) - 1);
  const int shift = static_cast<int>(table.shift);
  constexpr ptrdiff_t kWorstStep = 2 * kLanes * (kHasShift ? 2 : 1);

  V x[kTiles][kVectors];
  const uint8_t* next[kTiles];
  const uint8_t* last[kTiles];  // a step may begin at or before it
  for (size_t t = 0; t < kTiles; ++t) {
    for (size_t v = 0; v < kVectors; ++v) x[t][v] = hn::LoadU(d, cursors[t].states + v * n);
    next[t] = cursors[t].words;
    last[t] = cursors[t].words_end - kWorstStep;
  }
  const auto enough_words = [&] {
    bool enough = true;
    for (size_t t = 0; t < kTiles; ++t) enough &= last[t] - next[t] >= 0;
    return enough;
  };
  uint32_t g = 0;
  for (size_t at = first_symbol; g < groups && enough_words(); ++g, at += kLanes) {
    for (size_t t = 0; t < kTiles; ++t) {
      V entry[kVectors];
      for (size_t v = 0; v < kVectors; ++v) {
        const V slot = hn::And(x[t][v], slot_mask);
        entry[v] = hn::GatherIndex(d, table.slots, hn::BitCast(di, slot));
        const V frequency = hn::And(hn::ShiftRight<8>(entry[v]), frequency_mask);
        x[t][v] =
            hn::Add(hn::Mul(frequency, hn::ShiftRight<limits::kPrecisionBits>(x[t][v])), hn::ShiftRight<20>(entry[v]));
      }
      store_bytes(entry, cursors[t].symbols + at);
    }
    for (size_t t = 0; t < kTiles; ++t) {
      for (size_t v = 0; v < kVectors; ++v) {
        const RefillMask mask = needs_refill(x[t][v]);
        x[t][v] = refill(x[t][v], mask, next[t]);
        next[t] += 2 * count_of(mask);
      }
    }
    if constexpr (kHasShift) {
      for (size_t t = 0; t < kTiles; ++t) {
        for (size_t v = 0; v < kVectors; ++v) {
          hn::StoreU(hn::DemoteTo(d16, hn::BitCast(di, hn::And(x[t][v], raw_mask))), d16, cursors[t].raws + at + v * n);
          x[t][v] = hn::ShiftRightSame(x[t][v], shift);
          const RefillMask mask = needs_refill(x[t][v]);
          x[t][v] = refill(x[t][v], mask, next[t]);
          next[t] += 2 * count_of(mask);
        }
      }
    }
  }
  for (size_t t = 0; t < kTiles; ++t) {
    for (size_t v = 0; v < kVectors; ++v) hn::StoreU(x[t][v], d, cursors[t].states + v * n);
    cursors[t].words = next[t];
  }
  return g;
}

template <size_t kTiles>
HWY_INLINE uint32_t decode_groups(const SharedTable& table, uint32_t groups, size_t first_symbol, Cursor* cursors) {
  return table.shift == 0 ? decode_groups<kTiles, false>(table, groups, first_symbol, cursors)
                          : decode_groups<kTiles, true>(table, groups, first_symbol, cursors);
}

// Full groups of one channel of a tile whose chunks have contexts of their own, as decode_groups().
HWY_INLINE uint32_t decode_mixed_groups(const RansTables& tables, const Context* contexts, uint32_t groups,
                                        size_t first_symbol, Cursor& cursor) {
  const D d;
  const hn::RebindToSigned<D> di;
  const hn::Rebind<uint16_t, D> d16;
  const size_t n = hn::Lanes(d);
  const V slot_mask = hn::Set(d, kSlotMask), frequency_mask = hn::Set(d, 0xFFF), one = hn::Set(d, 1);
  const ptrdiff_t worst_step = 2 * kLanes * (tables.any_shift ? 2 : 1);
  V x[kVectors];
  for (size_t v = 0; v < kVectors; ++v) x[v] = hn::LoadU(d, cursor.states + v * n);
  const uint8_t* next = cursor.words;
  uint32_t g = 0;
  for (size_t at = first_symbol; g < groups && cursor.words_end - next >= worst_step; ++g, at += kLanes) {
    V entry[kVectors], context[kVectors];
    for (size_t v = 0; v < kVectors; ++v) {
      context[v] = hn::PromoteTo(d, hn::LoadU(d16, contexts + g * kLanes + v * n));
      const V slot = hn::Or(hn::ShiftLeft<limits::kPrecisionBits>(context[v]), hn::And(x[v], slot_mask));
      entry[v] = hn::GatherIndex(d, tables.slots, hn::BitCast(di, slot));
      const V frequency = hn::And(hn::ShiftRight<8>(entry[v]), frequency_mask);
      x[v] = hn::Add(hn::Mul(frequency, hn::ShiftRight<limits::kPrecisionBits>(x[v])), hn::ShiftRight<20>(entry[v]));
    }
    store_bytes(entry, cursor.symbols + at);
    for (size_t v = 0; v < kVectors; ++v) {
      const RefillMask mask = needs_refill(x[v]);
      x[v] = refill(x[v], mask, next);
      next += 2 * count_of(mask);
    }
    if (!tables.any_shift) continue;
    for (size_t v = 0; v < kVectors; ++v) {
      const V shift = hn::GatherIndex(d, tables.shifts, hn::BitCast(di, context[v]));
      const V raw = hn::And(x[v], hn::Sub(hn::Shl(one, shift), one));
      hn::StoreU(hn::DemoteTo(d16, hn::BitCast(di, raw)), d16, cursor.raws + at + v * n);
      x[v] = hn::Shr(x[v], shift);
      const RefillMask mask = needs_refill(x[v]);
      x[v] = refill(x[v], mask, next);
      next += 2 * count_of(mask);
    }
  }
  for (size_t v = 0; v < kVectors; ++v) hn::StoreU(x[v], d, cursor.states + v * n);
  cursor.words = next;
  return g;
}

// What these leave: the partial last group, and groups near the end of the words. The reference body for one channel of
// one run; `contexts`: of the channel's chunks, from `first_chunk` on if they have their own.
void finish_run(const RansTile& tile, TileContexts contexts, uint32_t first_chunk, uint32_t chunks, size_t first_symbol,
                Cursor& cursor) {
  RansTile rest = tile;
  rest.contexts = contexts;
  rest.channels = 1;
  rest.chunks = chunks;
  rest.run_groups = (chunks + kLanes - 1) / kLanes;
  rest.words = reinterpret_cast<const std::byte*>(cursor.words);
  rest.word_count = static_cast<size_t>(cursor.words_end - cursor.words) / 2;
  rest.symbols = cursor.symbols + first_symbol + first_chunk;
  rest.raws = cursor.raws == nullptr ? nullptr : cursor.raws + first_symbol + first_chunk;
  RansOutcome tail;
  rans_decode_scalar(&rest, 1, &tail);
  cursor.words += 2 * tail.words_used;
  cursor.exhausted |= tail.exhausted;
}

// A tile whose chunks have contexts of their own.
RansOutcome decode_mixed(const RansTile& tile) {
  Cursor cursor = cursor_of(tile);
  const uint32_t groups = (tile.chunks + kLanes - 1) / kLanes, full_groups = tile.chunks / kLanes;
  for (uint32_t run = 0; run < groups; run += tile.run_groups) {
    const uint32_t run_end = std::min(groups, run + tile.run_groups), full_end = std::min(run_end, full_groups);
    for (uint32_t c = 0; c < tile.channels; ++c) {
      const Context* const contexts = tile.contexts.numbers + c * tile.contexts.stride;
      uint32_t g = run;
      if (g < full_end)
        g +=
            decode_mixed_groups(tile.tables, contexts + g * kLanes, full_end - g, c * tile.stride + g * kLanes, cursor);
      const uint32_t done = g * kLanes, end = std::min(run_end * kLanes, tile.chunks);
      if (done < end) finish_run(tile, {contexts + done, end - done}, done, end - done, c * tile.stride, cursor);
    }
  }
  return outcome_of(tile, cursor);
}

// Tiles with the same shared contexts.
template <size_t kTiles>
void decode(const RansTile* tiles, RansOutcome* outcomes) {
  Cursor cursors[kTiles];
  for (size_t t = 0; t < kTiles; ++t) cursors[t] = cursor_of(tiles[t]);
  const RansTile& shape = tiles[0];
  const uint32_t groups = (shape.chunks + kLanes - 1) / kLanes, full_groups = shape.chunks / kLanes;
  for (uint32_t run = 0; run < groups; run += shape.run_groups) {
    const uint32_t run_end = std::min(groups, run + shape.run_groups);
    const uint32_t full_end = std::min(run_end, full_groups);
    for (uint32_t c = 0; c < shape.channels; ++c) {
      const Context context = shape.contexts.numbers[c];
      const SharedTable table{shape.tables.slots_of(context), shape.tables.shifts[context]};
      const size_t channel_at = c * shape.stride;
      uint32_t together = run;
      if (run < full_end) together += decode_groups<kTiles>(table, full_end - run, channel_at + run * kLanes, cursors);
      for (size_t t = 0; t < kTiles; ++t) {
        uint32_t g = together;
        if (g < full_end) g += decode_groups<1>(table, full_end - g, channel_at + g * kLanes, cursors + t);
        const uint32_t chunks_done = g * kLanes, run_chunks_end = std::min(run_end * kLanes, shape.chunks);
        if (chunks_done < run_chunks_end)
          finish_run(tiles[t], {&shape.contexts.numbers[c]}, chunks_done, run_chunks_end - chunks_done, channel_at,
                     cursors[t]);
      }
    }
  }
  for (size_t t = 0; t < kTiles; ++t) outcomes[t] = outcome_of(tiles[t], cursors[t]);
}

// Whether tiles can be decoded side by side.
bool alike(const RansTile& a, const RansTile& b) {
  return a.contexts.shared() && b.contexts.shared() &&
         std::equal(a.contexts.numbers, a.contexts.numbers + a.channels, b.contexts.numbers);
}

}  // namespace

void rans_decode(const RansTile* tiles, size_t count, RansOutcome* outcomes) {
  static_assert(kTilesTogether == 2);
  for (size_t t = 0; t < count;) {
    if (t + 1 < count && alike(tiles[t], tiles[t + 1])) {
      decode<2>(tiles + t, outcomes + t);
      t += 2;
      continue;
    }
    if (tiles[t].contexts.trellis != nullptr) {
      outcomes[t] = rans_decode_trellis(tiles[t]);
    } else if (tiles[t].contexts.shared()) {
      decode<1>(tiles + t, outcomes + t);
    } else {
      outcomes[t] = decode_mixed(tiles[t]);
    }
    ++t;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace nwc
HWY_AFTER_NAMESPACE();
#endif  // HWY_TARGET

#if HWY_ONCE
namespace nwc {

RansDecodeKernel* rans_decode_kernel(Isa isa) {
  switch (isa) {
#if HWY_ARCH_X86_64
    case Isa::kAvx2: return N_AVX2::rans_decode;
    case Isa::kAvx512: return N_AVX3::rans_decode;
#endif
    default: return rans_decode_scalar;
  }
}

}  // namespace nwc
#endif
