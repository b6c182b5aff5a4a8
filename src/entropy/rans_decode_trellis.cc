// SIMD bodies of the rANS decoder for tiles whose contexts follow a trellis.
#include "base/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "entropy/rans_decode_trellis.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>

#include "entropy/rans_lanes-inl.h"

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
HWY_BEFORE_NAMESPACE();
namespace nwc {
namespace HWY_NAMESPACE {
namespace {

// Where branches lead, [branch][state].
struct NextStates {
  HWY_ALIGN uint32_t of[2][limits::kMaxTrellisStates];
  explicit NextStates(const Trellis& trellis) {
    for (unsigned s = 0; s < limits::kMaxTrellisStates; ++s) {
      of[0][s] = trellis.next[s][0];
      of[1][s] = trellis.next[s][1];
    }
  }
};

// Full groups of a tile whose contexts follow a trellis: a group's lanes through all channels, its states in vectors,
// while there are the words of a worst-case step. A group that is not finished is left as it was.
// kSmall: a trellis of at most eight states; `has_shift`: whether a context of the tile may have raw bits.
template <bool kSmall>
HWY_INLINE bool decode_trellis_group(const RansTile& tile, const NextStates& next_state, uint32_t first_chunk,
                                     bool has_shift, Cursor& cursor) {
  const D d;
  const hn::RebindToSigned<D> di;
  const hn::Rebind<uint16_t, D> d16;
  const size_t n = hn::Lanes(d);
  const RansTables& tables = tile.tables;
  const V slot_mask = hn::Set(d, kSlotMask), frequency_mask = hn::Set(d, 0xFFF), one = hn::Set(d, 1),
          odd = hn::Set(d, tile.contexts.odd);
  const V even_branch = hn::Load(d, next_state.of[0]), odd_branch = hn::Load(d, next_state.of[1]);
  const ptrdiff_t worst_step = 2 * kLanes * (has_shift ? 2 : 1);
  V x[kVectors], path[kVectors];
  for (size_t v = 0; v < kVectors; ++v) {
    x[v] = hn::LoadU(d, cursor.states + v * n);
    path[v] = hn::Zero(d);
  }
  const uint8_t* next = cursor.words;
  for (uint32_t c = 0; c < tile.channels; ++c) {
    if (cursor.words_end - next < worst_step) return false;
    const size_t at = c * tile.stride + first_chunk;
    const Context* const contexts = tile.contexts.numbers + c * tile.contexts.stride + first_chunk;
    V entry[kVectors], context[kVectors], branch[kVectors];
    for (size_t v = 0; v < kVectors; ++v) {
      const V in_odd_union = hn::Sub(hn::Zero(d), hn::And(path[v], one));
      context[v] = hn::Add(hn::PromoteTo(d, hn::LoadU(d16, contexts + v * n)), hn::And(in_odd_union, odd));
      hn::StoreU(hn::DemoteTo(d16, hn::BitCast(di, context[v])), d16, tile.resolved + at + v * n);
      const V slot = hn::Or(hn::ShiftLeft<limits::kPrecisionBits>(context[v]), hn::And(x[v], slot_mask));
      entry[v] = hn::GatherIndex(d, tables.slots, hn::BitCast(di, slot));
      const V frequency = hn::And(hn::ShiftRight<8>(entry[v]), frequency_mask);
      x[v] = hn::Add(hn::Mul(frequency, hn::ShiftRight<limits::kPrecisionBits>(x[v])), hn::ShiftRight<20>(entry[v]));
      branch[v] = hn::And(entry[v], one);
    }
    store_bytes(entry, cursor.symbols + at);
    for (size_t v = 0; v < kVectors; ++v) {
      const RefillMask mask = needs_refill(x[v]);
      x[v] = refill(x[v], mask, next);
      next += 2 * count_of(mask);
    }
    if (has_shift) {
      for (size_t v = 0; v < kVectors; ++v) {
        const V shift = hn::GatherIndex(d, tables.shifts, hn::BitCast(di, context[v]));
        const V raw = hn::And(x[v], hn::Sub(hn::Shl(one, shift), one));
        hn::StoreU(hn::DemoteTo(d16, hn::BitCast(di, raw)), d16, cursor.raws + at + v * n);
        branch[v] = hn::IfThenElse(hn::Eq(shift, hn::Zero(d)), branch[v], hn::And(raw, one));
        x[v] = hn::Shr(x[v], shift);
        const RefillMask mask = needs_refill(x[v]);
        x[v] = refill(x[v], mask, next);
        next += 2 * count_of(mask);
      }
    }
    for (size_t v = 0; v < kVectors; ++v) {
      const auto branches = hn::Eq(branch[v], one);
      if constexpr (kSmall) {
        const auto lanes = hn::IndicesFromVec(d, path[v]);
        path[v] =
            hn::IfThenElse(branches, hn::TableLookupLanes(odd_branch, lanes), hn::TableLookupLanes(even_branch, lanes));
      } else {
        const V at = hn::Add(path[v], hn::IfThenElseZero(branches, hn::Set(d, limits::kMaxTrellisStates)));
        path[v] = hn::GatherIndex(d, next_state.of[0], hn::BitCast(di, at));
      }
    }
  }
  for (size_t v = 0; v < kVectors; ++v) hn::StoreU(x[v], d, cursor.states + v * n);
  cursor.words = next;
  return true;
}

// The same of a group near the end of the words, which go on with zeros for this. False, and all as it was but for what
// is written of symbols, where the tile has not the words.
template <bool kSmall>
bool decode_last_group(const RansTile& tile, const NextStates& next_state, uint32_t first_chunk, bool has_shift,
                       Cursor& cursor) {
  uint8_t padded[size_t{16} << 10];
  const auto left = static_cast<size_t>(cursor.words_end - cursor.words);
  const size_t all = left + size_t{2} * kLanes * (has_shift ? 2 : 1) * tile.channels;
  if (all > sizeof(padded)) return false;
  std::copy_n(cursor.words, left, padded);
  std::fill(padded + left, padded + all, uint8_t{0});
  uint32_t states[kLanes];
  std::copy_n(cursor.states, kLanes, states);
  Cursor ahead = cursor;
  ahead.words = padded;
  ahead.words_end = padded + all;
  const bool done = decode_trellis_group<kSmall>(tile, next_state, first_chunk, has_shift, ahead);
  const auto used = static_cast<size_t>(ahead.words - padded);
  if (!done || used > left) {
    std::copy_n(states, kLanes, cursor.states);
    return false;
  }
  cursor.words += used;
  return true;
}

}  // namespace

// A tile whose contexts follow a trellis.
RansOutcome rans_decode_trellis(const RansTile& tile) {
  Cursor cursor = cursor_of(tile);
  bool has_shift = false;
  if (tile.tables.any_shift) {
    Context most = 0;  // classes ascend with what tables spread, so that few tiles reach those with raw bits
    for (uint32_t c = 0; c < tile.channels; ++c) {
      const Context* const contexts = tile.contexts.numbers + c * tile.contexts.stride;
      for (uint32_t i = 0; i < tile.chunks; ++i) most = std::max(most, contexts[i]);
    }
    for (uint32_t context = 0; context <= most; ++context)
      has_shift |= (tile.tables.shifts[context] | tile.tables.shifts[context + tile.contexts.odd]) != 0;
  }
  const NextStates next_state(*tile.contexts.trellis);
  uint32_t done = 0;
  const bool small = tile.contexts.trellis->states <= 8;
  for (const auto group : {small ? decode_trellis_group<true> : decode_trellis_group<false>,
                           small ? decode_last_group<true> : decode_last_group<false>}) {
    while (done + kLanes <= tile.chunks && group(tile, next_state, done, has_shift, cursor)) done += kLanes;
  }
  if (done < tile.chunks) {
    RansTile rest = tile;
    rest.contexts.numbers += done;
    rest.chunks -= done;
    rest.words = reinterpret_cast<const std::byte*>(cursor.words);
    rest.word_count = static_cast<size_t>(cursor.words_end - cursor.words) / 2;
    rest.symbols += done;
    rest.raws += done;
    rest.resolved += done;
    RansOutcome tail;
    rans_decode_scalar(&rest, 1, &tail);
    cursor.words += 2 * tail.words_used;
    cursor.exhausted = tail.exhausted;
  }
  return outcome_of(tile, cursor);
}

}  // namespace HWY_NAMESPACE
}  // namespace nwc
HWY_AFTER_NAMESPACE();
#endif  // HWY_TARGET
