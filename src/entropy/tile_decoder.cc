#include "entropy/tile_decoder.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/bytes.h"
#include "base/half.h"
#include "entropy/symbol_values.h"

namespace nwc {
namespace {

Error corrupt(const char* message, uint64_t offset) { return Error(ErrorCode::kCorrupt, message).at_offset(offset); }

Status read_escape(ByteReader& side, uint64_t side_offset, uint32_t channel, uint32_t chunk,
                   std::vector<Escape>& escapes) {
  const std::optional<uint64_t> coded = side.varint();
  if (!coded) return corrupt("tile ends inside its escapes", side_offset + side.position());
  const int64_t value = unzigzag(*coded);
  if (value < -kMaxSymbolValue || value > kMaxSymbolValue)
    return corrupt("escape is out of range", side_offset + side.position());
  escapes.push_back({channel, chunk, static_cast<int32_t>(value)});
  return {};
}

constexpr uint32_t kGroupsTogether = 64;  // whose symbols become numbers at once

// In the order of decoding: runs, channels, groups, lanes.
Status read_escapes(ByteReader& side, uint64_t side_offset, const DecodingTables& tables, const TileShape& shape,
                    const TileJob& job, size_t stride, Isa isa) {
  const TileContexts contexts = job.contexts_of_symbols(stride);
  const uint32_t run_chunks = shape.run_groups * limits::kLanes;
  for (uint32_t run = 0; run < shape.chunks; run += run_chunks) {
    const uint32_t run_end = std::min(shape.chunks, run + run_chunks);
    for (unsigned c = 0; c < shape.channels; ++c) {
      const uint8_t* const row = job.symbols + c * stride;
      if (!contexts.shared()) {
        uint32_t escapes[kGroupsTogether];
        for (uint32_t first = run; first < run_end; first += limits::kLanes * kGroupsTogether) {
          const uint32_t here = std::min(limits::kLanes * kGroupsTogether, run_end - first);
          const size_t at = c * stride + first;
          symbol_values({job.symbols + at, job.raws + at, contexts.numbers + c * contexts.stride + first, here,
                         tables.packed_maps(), job.contexts.odd},
                        job.values + at, escapes, isa);
          for (uint32_t i = 0; i < here; i += limits::kLanes) {
            for (uint32_t mask = escapes[i / limits::kLanes]; mask != 0; mask &= mask - 1) {
              const uint32_t chunk = first + i + static_cast<uint32_t>(std::countr_zero(mask));
              NWC_RETURN_IF_ERROR(read_escape(side, side_offset, c, chunk, *job.escapes));
              const int64_t spelled = job.escapes->back().value;
              const bool odd = job.contexts.odd != 0 && contexts.at(c, chunk) >= job.contexts.odd;
              job.values[c * stride + chunk] =
                  static_cast<float>(job.contexts.odd == 0 ? spelled : 2 * spelled + (odd ? 1 : 0));
            }
          }
        }
        continue;
      }
      const uint8_t* const end = row + run_end;
      const int escape = static_cast<int>(tables.symbols(contexts.at(c, 0)).escape());
      const auto find = [&](const uint8_t* from) {
        return static_cast<const uint8_t*>(std::memchr(from, escape, static_cast<size_t>(end - from)));
      };
      for (const uint8_t* at = find(row + run); at != nullptr; at = find(at + 1))
        NWC_RETURN_IF_ERROR(read_escape(side, side_offset, c, static_cast<uint32_t>(at - row), *job.escapes));
    }
  }
  return {};
}

Status read_patches(ByteReader& side, uint64_t side_offset, const TileShape& shape, std::vector<Patch>& patches) {
  const uint64_t weights = uint64_t{shape.chunks} * shape.chunk_length;
  uint64_t next = 0;
  while (side.remaining() > 0) {
    const std::optional<uint64_t> gap = side.varint();
    const std::optional<uint16_t> value = gap ? side.le<uint16_t>() : std::nullopt;
    if (!value) return corrupt("tile ends inside a patch", side_offset + side.position());
    if (next >= weights || *gap >= weights - next)
      return corrupt("patch lies outside its tile", side_offset + side.position());
    const float weight = float_from_half(*value);
    if (!std::isfinite(weight)) return corrupt("patch is not a finite number", side_offset + side.position());
    patches.push_back({static_cast<uint32_t>(next + *gap), weight});
    next += *gap + 1;
  }
  return {};
}

}  // namespace

DecodingTables::DecodingTables(const TableSet& set) : slots_(set.size() * kFrequencyTotal) {
  for (const FrequencyTable& table : set) {
    fill_decoding_slots(
        table, std::span<uint32_t, kFrequencyTotal>(&slots_[maps_.size() * kFrequencyTotal], size_t{kFrequencyTotal}));
    maps_.push_back(table.symbols());
    packed_maps_.push_back(packed_map(table.symbols()));
    shifts_.push_back(table.shift);
    any_shift_ |= table.shift != 0;
  }
}

namespace {

// A tile taken apart, with its lanes' states in aligned memory.
struct OpenTile {
  alignas(64) uint32_t states[limits::kLanes];
  size_t words_at;
  uint64_t word_count;
};

Status open_tile(std::span<const std::byte> tile, uint32_t lanes, OpenTile& open) {
  open.words_at = 4 + size_t{4} * lanes;
  if (tile.size() < open.words_at) return corrupt("tile is shorter than its states", 0);
  open.word_count = load_le<uint32_t>(tile.data());
  if (open.word_count > (tile.size() - open.words_at) / 2) return corrupt("tile declares more words than it has", 0);
  for (uint32_t a = 0; a < lanes; ++a) {
    open.states[a] = load_le<uint32_t>(tile.data() + 4 + 4 * a);
    if (open.states[a] < 1u << 16) return corrupt("rANS state is below its range", 4 + 4 * a);
  }
  return {};
}

Status close_tile(const TileJob& job, uint32_t lanes, const OpenTile& open, const RansOutcome& outcome,
                  const DecodingTables& tables, const TileShape& shape, size_t stride, Isa isa) {
  if (outcome.exhausted) return corrupt("tile needs more words than it has", open.words_at + 2 * open.word_count);
  if (outcome.words_used != open.word_count) {
    return corrupt("tile has more words than it needs", open.words_at + 2 * outcome.words_used);
  }
  for (uint32_t a = 0; a < lanes; ++a) {
    if (open.states[a] != 1u << 16) return corrupt("rANS lane does not end where it began", open.words_at);
  }
  const uint64_t side_offset = open.words_at + 2 * open.word_count;
  ByteReader side(job.tile.subspan(side_offset));
  job.escapes->clear();
  NWC_RETURN_IF_ERROR(read_escapes(side, side_offset, tables, shape, job, stride, isa));
  job.patches->clear();
  return read_patches(side, side_offset, shape, *job.patches);
}

}  // namespace

Status decode_tiles(std::span<const TileJob> jobs, const DecodingTables& tables, const TileShape& shape, Isa isa,
                    size_t stride, size_t* failed) {
  const uint32_t lanes = std::min(limits::kLanes, shape.chunks);
  RansDecodeKernel* const kernel = rans_decode_kernel(isa);
  for (size_t first = 0; first < jobs.size(); first += kTilesTogether) {
    const size_t count = std::min(kTilesTogether, jobs.size() - first);
    OpenTile open[kTilesTogether];
    RansTile tiles[kTilesTogether];
    RansOutcome outcomes[kTilesTogether];
    for (size_t t = 0; t < count; ++t) {
      const TileJob& job = jobs[first + t];
      if (failed != nullptr) *failed = first + t;
      NWC_RETURN_IF_ERROR(open_tile(job.tile, lanes, open[t]));
      tiles[t] = {.tables = tables.kernel_tables(),
                  .contexts = job.contexts,
                  .channels = shape.channels,
                  .chunks = shape.chunks,
                  .run_groups = shape.run_groups,
                  .states = open[t].states,
                  .words = job.tile.data() + open[t].words_at,
                  .word_count = open[t].word_count,
                  .symbols = job.symbols,
                  .raws = job.raws,
                  .stride = stride,
                  .resolved = job.resolved};
    }
    kernel(tiles, count, outcomes);
    for (size_t t = 0; t < count; ++t) {
      if (failed != nullptr) *failed = first + t;
      NWC_RETURN_IF_ERROR(close_tile(jobs[first + t], lanes, open[t], outcomes[t], tables, shape, stride, isa));
    }
  }
  return {};
}

}  // namespace nwc
