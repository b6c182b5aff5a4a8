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

// 2^(k / 64), the nearest binary64.
constexpr int kRootBits = 3 + kMaxCorrectionBits;
// clang-format off
constexpr double kRoots[1 << kRootBits] = {
    1.0, 1.0108892860517005, 1.0218971486541166, 1.0330248790212284, 1.0442737824274138,
    1.0556451783605572, 1.0671404006768237, 1.0787607977571199, 1.0905077326652577, 1.102382583307841,
    1.1143867425958924, 1.1265216186082418, 1.1387886347566916, 1.1511892299529827, 1.1637248587775775,
    1.1763969916502812, 1.189207115002721, 1.202156731452703, 1.215247359980469, 1.22848053610687,
    1.241857812073484, 1.255380757024691, 1.2690509571917332, 1.2828700160787783, 1.2968395546510096,
    1.3109612115247644, 1.3252366431597413, 1.339667524053303, 1.3542555469368927, 1.3690024229745905,
    1.383909881963832, 1.3989796725383112, 1.4142135623730951, 1.42961333839197, 1.4451808069770467,
    1.460917794180647, 1.4768261459394993, 1.4929077282912648, 1.5091644275934228, 1.5255981507445384,
    1.5422108254079407, 1.559004400237837, 1.5759808451078865, 1.593142151342267, 1.6104903319492543,
    1.6280274218573478, 1.645755478153965, 1.6636765803267364, 1.681792830507429, 1.7001063537185235,
    1.718619298122478, 1.7373338352737062, 1.7562521603732995, 1.7753764925265212, 1.7947090750031072,
    1.8142521755003989, 1.8340080864093424, 1.8539791250833855, 1.8741676341103, 1.8945759815869656,
    1.9152065613971474, 1.9360617934922943, 1.9571441241754002, 1.978456026387951};
// clang-format on

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

float line_scale(float base, int step, int correction, unsigned correction_bits) {
  const int bits = 3 + static_cast<int>(correction_bits), parts = 1 << bits;
  const int number = step * (1 << correction_bits) + correction;
  const double root = kRoots[(number & (parts - 1)) << (kRootBits - bits)];
  return static_cast<float>(std::ldexp(static_cast<double>(base) * root, number >> bits));
}

float LineScales::column_scale(float base, size_t column) const {
  return line_scale(base, column_steps[column], correction_bits > 0 ? column_corrections[column] : 0, correction_bits);
}

float LineScales::row_factor(size_t row) const {
  return line_scale(1.0f, row_steps[row], correction_bits > 0 ? row_corrections[row] : 0, correction_bits);
}

Result<LineScales> read_line_scales(std::span<const std::byte>& section, const StreamHeader& header,
                                    const DecodingTables& tables) {
  LineScales lines;
  // parse_stream() has bounded both products.
  const uint64_t columns = header.matrices * header.columns, rows = header.matrices * header.rows;
  lines.correction_bits = header.correction_bits;
  std::vector<Sequence> sequences = {{&lines.column_steps, columns},
                                     {&lines.row_steps, rows},
                                     {&lines.column_spreads, columns},
                                     {&lines.row_spreads, rows}};
  if (lines.correction_bits > 0) {
    sequences.push_back({&lines.column_corrections, columns});
    sequences.push_back({&lines.row_corrections, rows});
  }
  if (section.size() < kLineHead * sequences.size()) return corrupt("end before their first tile");
  const std::byte* head = section.data();
  for (Sequence& sequence : sequences) {
    sequence.mean = static_cast<int16_t>(load_le<uint16_t>(head));
    sequence.table = load_le<uint16_t>(head + 2);
    head += 4;
    if (sequence.table >= tables.size()) return corrupt("name a table that the codec does not have");
  }
  section = section.subspan(kLineHead * sequences.size());
  const uint64_t total = sequences.size() / 2 * (columns + rows);
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
