// The reference body: the pseudo-code of docs/format.md, section 5, as it stands there.
#include <algorithm>

#include "base/bytes.h"
#include "entropy/rans_kernel.h"

namespace nwc {

namespace {

RansOutcome decode(const RansTile& tile) {
  constexpr uint32_t kLanes = limits::kLanes, kSlotMask = (1u << limits::kPrecisionBits) - 1;
  RansOutcome outcome{};
  const auto refill = [&](uint32_t& state) {
    if (state >= 1u << 16) return true;
    if (outcome.words_used == tile.word_count) return false;
    state = state << 16 | load_le<uint16_t>(tile.words + 2 * outcome.words_used++);
    return true;
  };
  const Trellis* const trellis = tile.contexts.trellis;
  const uint32_t groups = (tile.chunks + kLanes - 1) / kLanes;
  for (uint32_t run = 0; run < groups; run += tile.run_groups) {
    const uint32_t run_end = std::min(groups, run + tile.run_groups);
    uint8_t path[kLanes] = {};  // states of the trellis; a run is a group then
    for (uint32_t c = 0; c < tile.channels; ++c) {
      for (uint32_t g = run; g < run_end; ++g) {
        const uint32_t first = g * kLanes, lanes = std::min(kLanes, tile.chunks - first);
        const size_t at = c * tile.stride + first;
        uint32_t shifts = 0;
        for (uint32_t a = 0; a < lanes; ++a) {
          Context context = tile.contexts.at(c, first + a);
          if (trellis != nullptr) {
            if (Trellis::union_of(path[a]) != 0) context = static_cast<Context>(context + tile.contexts.odd);
            tile.resolved[at + a] = context;
          }
          uint32_t& state = tile.states[a];
          const uint32_t entry = tile.tables.slots_of(context)[state & kSlotMask];
          const uint32_t frequency = entry >> 8 & 0xFFF, bias = entry >> 20;
          state = frequency * (state >> limits::kPrecisionBits) + bias;
          if (!refill(state)) return {.exhausted = true};
          tile.symbols[at + a] = static_cast<uint8_t>(entry);
          shifts |= tile.tables.shifts[context];
          if (trellis != nullptr && tile.tables.shifts[context] == 0) path[a] = trellis->next[path[a]][entry & 1];
        }
        if (shifts == 0) continue;
        for (uint32_t a = 0; a < lanes; ++a) {
          const uint32_t shift =
              tile.tables.shifts[trellis != nullptr ? tile.resolved[at + a] : tile.contexts.at(c, first + a)];
          uint32_t& state = tile.states[a];
          tile.raws[at + a] = static_cast<uint16_t>(state & ((1u << shift) - 1));
          state >>= shift;
          if (!refill(state)) return {.exhausted = true};
          if (trellis != nullptr && shift > 0) path[a] = trellis->next[path[a]][tile.raws[at + a] & 1];
        }
      }
    }
  }
  return outcome;
}

}  // namespace

void rans_decode_scalar(const RansTile* tiles, size_t count, RansOutcome* outcomes) {
  for (size_t t = 0; t < count; ++t) outcomes[t] = decode(tiles[t]);
}

}  // namespace nwc
