#include "cuda/encode/symbols.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "cuda/support/transfer.h"
#include "entropy/encode/tile_encoder.h"
#include "nwcodec/limits.h"
#include "quantise/encode_job.h"
#include "quantise/tile_analysis.h"

namespace nwc::cuda {
namespace {

constexpr uint32_t kNear = 2 * static_cast<uint32_t>(kCountReach);
constexpr uint64_t kFewest = 4096;  // room in lists at first

uint32_t active_lanes(uint32_t chunks) { return std::min<uint32_t>(chunks, limits::kLanes); }

}  // namespace

CudaSymbols::CudaSymbols(const EncodeJob& job, Buffers& buffers, Quantised quantised)
    : job_(job), buffers_(buffers), quantised_(std::move(quantised)), levels_(job.encoder.codec().parts().levels()) {}

template <class Count>
Result<std::vector<Histogram>> CudaSymbols::counted(const Count& count) const {
  const size_t series = levels_ * size_t{job_.latents};
  NWC_RETURN_IF_ERROR(at_least(buffers_.near, series * kNear * sizeof(uint32_t)));
  NWC_RETURN_IF_ERROR(at_least(buffers_.far_count, sizeof(uint32_t)));
  uint32_t met = 0;
  for (uint64_t room = kFewest;; room = met) {
    NWC_RETURN_IF_ERROR(at_least(buffers_.far, room * sizeof(FarSymbol)));
    NWC_RETURN_IF_ERROR(
        checked(cudaMemset(buffers_.near.data(), 0, series * kNear * sizeof(uint32_t)), "counting symbols"));
    NWC_RETURN_IF_ERROR(checked(cudaMemset(buffers_.far_count.data(), 0, sizeof met), "counting symbols"));
    NWC_RETURN_IF_ERROR(count(Counts{as<uint32_t>(buffers_.near), as<FarSymbol>(buffers_.far),
                                     as<uint32_t>(buffers_.far_count), static_cast<uint32_t>(room)}));
    NWC_RETURN_IF_ERROR(get(std::span(&met, 1), buffers_.far_count));
    if (met <= room) break;
  }
  std::vector<uint32_t> near(series * kNear);
  NWC_RETURN_IF_ERROR(get(std::span(near), buffers_.near));
  std::vector<FarSymbol> far(met);
  NWC_RETURN_IF_ERROR(get(std::span(far), buffers_.far));
  std::vector<std::map<int32_t, uint64_t>> beyond(series);
  for (const FarSymbol& symbol : far) ++beyond[symbol.series][symbol.value];
  std::vector<Histogram> histograms(series);
  for (size_t s = 0; s < series; ++s) {
    const auto middle = beyond[s].lower_bound(0);
    histograms[s].assign(beyond[s].begin(), middle);
    for (uint32_t i = 0; i < kNear; ++i) {
      if (const uint32_t n = near[s * kNear + i]; n > 0)
        histograms[s].emplace_back(static_cast<int32_t>(i) - kCountReach, n);
    }
    histograms[s].insert(histograms[s].end(), middle, beyond[s].end());
  }
  return histograms;
}

Result<std::vector<Histogram>> CudaSymbols::histograms() const {
  const uint64_t columns = job_.weights.columns;
  return counted([&](const Counts& counts) -> Status {
    const int32_t* symbols = as<int32_t>(buffers_.symbols);
    for (const Quantised::Part& part : quantised_.parts) {
      const auto slots = static_cast<uint32_t>(part.stripes.size());
      if (part.classes.columns != nullptr) {
        NWC_ASSIGN_OR_RETURN(const uint32_t* const stripes,
                             put(buffers_.stripes, std::span<const uint32_t>(part.stripes)));
        NWC_RETURN_IF_ERROR(
            checked(count_slots_by_class(symbols, stripes, slots, columns, job_.latents, part.classes, counts, nullptr),
                    "counting symbols"));
      } else {
        const uint8_t* const levels =
            job_.guide.levels.empty() ? nullptr : as<uint8_t>(buffers_.levels) + part.matrix * columns;
        NWC_RETURN_IF_ERROR(checked(count_slots(symbols, slots, columns, levels, counts, nullptr), "counting symbols"));
      }
      symbols += uint64_t{slots} * job_.latents * columns;
    }
    return {};
  });
}

Result<SymbolsView> CudaSymbols::describe() const {
  const Tiling& tiling = job_.tiling;
  std::vector<uint32_t> columns;
  for (const LevelGroup& group : tiling.groups())
    columns.insert(columns.end(), group.columns.begin(), group.columns.end());
  NWC_ASSIGN_OR_RETURN(const uint32_t* const columns_there, put(buffers_.columns, std::span<const uint32_t>(columns)));
  std::vector<LineClasses> classes(job_.weights.matrices);
  for (const Quantised::Part& part : quantised_.parts) classes[part.matrix] = part.classes;
  std::vector<ColumnGroup> groups;
  size_t at = 0;
  for (const LevelGroup& group : tiling.groups()) {
    const bool all = group.columns.size() == job_.weights.columns;
    groups.push_back({all ? nullptr : columns_there + at, static_cast<uint32_t>(group.columns.size()), group.level,
                      group.matrix * tiling.stripes(), classes[group.matrix]});
    at += group.columns.size();
  }
  std::vector<TileToCode> tiles;
  uint64_t words = 0;
  for (uint64_t t = 0; t < tiling.tile_count(); ++t) {
    const TileSpan span = tiling.tile(t);
    const uint64_t in_row = tiling.groups()[span.group].columns.size();
    words += uint64_t{span.chunks} * job_.latents * kMostWordsPerSymbol;
    tiles.push_back(
        {span.group, span.chunks, static_cast<uint32_t>(span.first_chunk % in_row), span.first_chunk / in_row, words});
  }
  SymbolsView view{as<int32_t>(buffers_.symbols), job_.weights.columns, job_.latents, nullptr, nullptr};
  NWC_ASSIGN_OR_RETURN(view.groups, put(buffers_.groups, std::span<const ColumnGroup>(groups)));
  NWC_ASSIGN_OR_RETURN(view.tiles, put(buffers_.tiles, std::span<const TileToCode>(tiles)));
  return view;
}

Result<std::vector<Histogram>> CudaSymbols::histograms_of_tiles(std::span<const uint64_t> tiles) const {
  const std::vector<uint32_t> numbers(tiles.begin(), tiles.end());
  NWC_ASSIGN_OR_RETURN(const SymbolsView view, describe());
  NWC_ASSIGN_OR_RETURN(const uint32_t* const there, put(buffers_.numbers, std::span<const uint32_t>(numbers)));
  return counted([&](const Counts& counts) {
    return checked(count_tiles(view, there, static_cast<uint32_t>(numbers.size()), counts, nullptr),
                   "counting symbols");
  });
}

std::vector<std::vector<std::byte>> CudaSymbols::side_data(std::vector<FoundEscape> escapes) const {
  const Tiling& tiling = job_.tiling;
  std::vector<std::vector<std::byte>> side(tiling.tile_count());
  std::sort(escapes.begin(), escapes.end(), [](const FoundEscape& a, const FoundEscape& b) {
    return std::tie(a.tile, a.order) < std::tie(b.tile, b.order);
  });
  std::map<uint64_t, std::vector<Patch>> patches;  // by tile
  if (!quantised_.patches.empty()) {
    // Of each column: its group, and its place there.
    struct Place {
      uint32_t group, place;
    };
    std::vector<Place> places(job_.weights.matrices * job_.weights.columns);
    for (uint32_t g = 0; g < tiling.groups().size(); ++g) {
      const LevelGroup& group = tiling.groups()[g];
      for (uint32_t p = 0; p < group.columns.size(); ++p)
        places[group.matrix * job_.weights.columns + group.columns[p]] = {g, p};
    }
    for (const FoundPatch& patch : quantised_.patches) {
      const uint64_t matrix = patch.stripe / tiling.stripes(), stripe = patch.stripe % tiling.stripes();
      const Place place = places[matrix * job_.weights.columns + patch.column];
      const LevelGroup& group = tiling.groups()[place.group];
      const uint64_t chunk = stripe * group.columns.size() + place.place;
      const uint32_t chunks = tiling.tile(group.first_tile).chunks;  // of every tile of the group but the last
      patches[group.first_tile + chunk / chunks].push_back(
          {static_cast<uint32_t>(chunk % chunks) * job_.chunk_length + patch.row, patch.value});
    }
  }
  auto escape = escapes.begin();
  std::vector<int32_t> values;
  for (uint64_t t = 0; t < side.size(); ++t) {
    values.clear();
    for (; escape != escapes.end() && escape->tile == t; ++escape) values.push_back(escape->value);
    std::vector<Patch> own;
    if (const auto found = patches.find(t); found != patches.end()) own = std::move(found->second);
    std::sort(own.begin(), own.end(), [](const Patch& a, const Patch& b) { return a.position < b.position; });
    append_side_data(side[t], values, own);
  }
  return side;
}

Result<CodedTiles> CudaSymbols::code(const TableSet& tables, uint16_t run_groups) const {
  const Tiling& tiling = job_.tiling;
  const uint32_t tile_count = static_cast<uint32_t>(tiling.tile_count());
  CodedTiles coded;
  if (tile_count == 0) return coded;
  NWC_ASSIGN_OR_RETURN(const SymbolsView view, describe());

  std::vector<uint32_t> intervals;
  std::vector<CodingTable> coding_tables;
  for (const FrequencyTable& table : tables) {
    uint32_t start = 0;
    for (const uint16_t f : table.frequencies) {
      intervals.push_back(start << 16 | f);
      start += f;
    }
  }
  NWC_ASSIGN_OR_RETURN(const uint32_t* const intervals_there,
                       put(buffers_.numbers, std::span<const uint32_t>(intervals)));
  const uint32_t* next = intervals_there;
  for (const FrequencyTable& table : tables) {
    coding_tables.push_back({next, table.minimum, table.shift, table.count()});
    next += table.frequencies.size();
  }
  NWC_ASSIGN_OR_RETURN(const CodingTable* const tables_there,
                       put(buffers_.tables, std::span<const CodingTable>(coding_tables)));

  NWC_RETURN_IF_ERROR(at_least(buffers_.words, job_.tiling.stripes() * job_.weights.matrices * job_.weights.columns *
                                                   job_.latents * kMostWordsPerSymbol * sizeof(uint16_t)));
  NWC_RETURN_IF_ERROR(at_least(buffers_.word_counts, tile_count * sizeof(uint32_t)));
  NWC_RETURN_IF_ERROR(at_least(buffers_.coder_states, tile_count * limits::kLanes * sizeof(uint32_t)));
  NWC_RETURN_IF_ERROR(at_least(buffers_.escape_count, sizeof(uint32_t)));
  CodedTilesView there{.words = as<uint16_t>(buffers_.words),
                       .counts = as<uint32_t>(buffers_.word_counts),
                       .states = as<uint32_t>(buffers_.coder_states),
                       .escapes = nullptr,
                       .escape_count = as<uint32_t>(buffers_.escape_count),
                       .escape_capacity = 0};
  uint32_t found = 0;
  for (uint64_t room = std::max(kFewest, job_.weights.elements() / 256);; room = found) {
    NWC_RETURN_IF_ERROR(at_least(buffers_.escapes, room * sizeof(FoundEscape)));
    there.escapes = as<FoundEscape>(buffers_.escapes);
    there.escape_capacity = static_cast<uint32_t>(room);
    NWC_RETURN_IF_ERROR(checked(cudaMemset(there.escape_count, 0, sizeof found), "coding symbols"));
    NWC_RETURN_IF_ERROR(
        checked(encode_tiles(view, tile_count, tables_there, run_groups, there, nullptr), "coding symbols"));
    NWC_RETURN_IF_ERROR(get(std::span(&found, 1), buffers_.escape_count));
    if (found <= room) break;
  }
  std::vector<FoundEscape> escapes(found);
  NWC_RETURN_IF_ERROR(get(std::span(escapes), buffers_.escapes));
  std::vector<uint32_t> counts(tile_count);
  NWC_RETURN_IF_ERROR(get(std::span(counts), buffers_.word_counts));

  const std::vector<std::vector<std::byte>> side = side_data(std::move(escapes));
  std::vector<uint64_t> offsets;
  uint64_t total = 0;
  for (uint32_t t = 0; t < tile_count; ++t) {
    const uint64_t size = 4 + 4 * active_lanes(tiling.tile(t).chunks) + 2 * uint64_t{counts[t]} + side[t].size();
    offsets.push_back(total);
    coded.sizes.push_back(static_cast<uint32_t>(size));
    total += size;
  }
  NWC_ASSIGN_OR_RETURN(const uint64_t* const offsets_there, put(buffers_.offsets, std::span<const uint64_t>(offsets)));
  NWC_RETURN_IF_ERROR(at_least(buffers_.payload, total));
  NWC_RETURN_IF_ERROR(
      checked(place_tiles(view.tiles, tile_count, there, offsets_there, as<uint8_t>(buffers_.payload), nullptr),
              "placing tiles"));
  coded.bytes.resize(total);
  NWC_RETURN_IF_ERROR(get(std::span(coded.bytes), buffers_.payload));
  for (uint32_t t = 0; t < tile_count; ++t)
    std::copy(side[t].begin(), side[t].end(),
              coded.bytes.begin() + static_cast<ptrdiff_t>(offsets[t] + coded.sizes[t] - side[t].size()));
  return coded;
}

}  // namespace nwc::cuda
