#include "format/line_scales.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "entropy/context.h"

namespace nwc {
namespace {

// 2^(k / 8), the nearest binary64.
constexpr double kRoots[kStepsPerOctave] = {1.0,
                                            1.0905077326652577,
                                            1.189207115002721,
                                            1.2968395546510096,
                                            1.4142135623730951,
                                            1.5422108254079407,
                                            1.681792830507429,
                                            1.8340080864093424};

// The least that a tile takes: the number of its words, and a state for each of its first lanes.
size_t least_tile_bytes(uint64_t chunks) { return 4 + 4 * std::min<uint64_t>(chunks, limits::kLanes); }

Error corrupt(const std::string& what) { return Error(ErrorCode::kCorrupt, "line scales " + what).at_offset(96); }

struct Sequence {
  std::vector<int16_t>* values;
  uint64_t count;
  int16_t mean = 0;
  Context table = 0;
};

// The numbers of one tile, as symbols and escapes say.
Result<std::vector<int64_t>> decode_line_tile(std::span<const std::byte> bytes, std::span<const Context> contexts,
                                              const DecodingTables& tables) {
  const uint32_t count = static_cast<uint32_t>(contexts.size());
  const size_t stride = (contexts.size() + limits::kLanes - 1) / limits::kLanes * limits::kLanes;
  std::vector<uint8_t> symbols(stride);
  std::vector<uint16_t> raws(stride);
  std::vector<Escape> escapes;
  std::vector<Patch> patches;
  std::vector<float> numbers(stride);  // too coarse for escapes
  const TileJob job{bytes,         {contexts.data(), contexts.size()}, symbols.data(), raws.data(), &escapes, &patches,
                    numbers.data()};
  const TileShape shape{.channels = 1, .chunks = count, .run_groups = 1, .chunk_length = 1};
  NWC_RETURN_IF_ERROR(decode_tiles({&job, 1}, tables, shape, current_isa(), stride));
  if (!patches.empty()) return Error(ErrorCode::kCorrupt, "patches");
  std::vector<int64_t> values(count);
  for (uint32_t i = 0; i < count; ++i) {
    const SymbolMap& map = tables.symbols(contexts[i]);
    values[i] = map.value_of(symbols[i], map.shift == 0 ? 0 : raws[i]);
  }
  for (const Escape& escape : escapes) values[escape.chunk] = escape.value;
  return values;
}

}  // namespace

float line_scale(float base, int step) {
  const double root = kRoots[step & (kStepsPerOctave - 1)];
  return static_cast<float>(std::ldexp(static_cast<double>(base) * root, step >> 3));
}

Result<LineScales> read_line_scales(std::span<const std::byte>& section, const StreamHeader& header,
                                    const DecodingTables& tables) {
  LineScales lines;
  // parse_stream() has bounded both products.
  const uint64_t columns = header.matrices * header.columns, rows = header.matrices * header.rows;
  Sequence sequences[] = {{&lines.column_steps, columns},
                          {&lines.row_steps, rows},
                          {&lines.column_spreads, columns},
                          {&lines.row_spreads, rows}};
  if (section.size() < kLineHead) return corrupt("end before their first tile");
  const std::byte* head = section.data();
  for (Sequence& sequence : sequences) {
    sequence.mean = static_cast<int16_t>(load_le<uint16_t>(head));
    sequence.table = load_le<uint16_t>(head + 2);
    head += 4;
    if (sequence.table >= tables.size()) return corrupt("name a table that the codec does not have");
  }
  section = section.subspan(kLineHead);
  const uint64_t total = 2 * (columns + rows);
  if ((total + kLineTile - 1) / kLineTile > section.size() / (4 + least_tile_bytes(1)))
    return corrupt("are too short for the shape");

  // Tiles are cut without regard to sequences: where in which the next number stands.
  size_t in = 0;
  uint64_t at = 0;
  for (uint64_t done = 0; done < total; done += kLineTile) {
    const uint64_t count = std::min<uint64_t>(kLineTile, total - done);
    if (section.size() < 4) return corrupt("end within their tiles");
    const uint32_t size = load_le<uint32_t>(section.data());
    section = section.subspan(4);
    if (size > section.size() || size < least_tile_bytes(count)) return corrupt("have a tile of another size");
    std::vector<std::pair<Sequence*, uint64_t>> places;
    std::vector<Context> contexts;
    for (uint64_t i = 0; i < count; ++i, ++at) {
      for (; at == sequences[in].count; ++in) at = 0;
      places.emplace_back(&sequences[in], at);
      contexts.push_back(sequences[in].table);
    }
    Result<std::vector<int64_t>> values = decode_line_tile(section.first(size), contexts, tables);
    if (!values) return corrupt("in a tile: " + values.error().message());
    section = section.subspan(size);
    for (uint64_t i = 0; i < count; ++i) {
      const int64_t value = places[i].first->mean + (*values)[i];
      if (std::abs(value) > kLargestLineNumber) return corrupt("hold a number out of range");
      places[i].first->values->push_back(static_cast<int16_t>(value));
    }
  }
  return lines;
}

}  // namespace nwc
