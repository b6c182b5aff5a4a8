#include "entropy/encode/tile_encoder.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/half.h"

namespace nwc {
namespace {

constexpr uint32_t kLanes = limits::kLanes;

// rANS writes backwards: the last symbol decoded is the first encoded.
class ReverseEncoder {
 public:
  ReverseEncoder() { std::fill(std::begin(states_), std::end(states_), 1u << 16); }

  void symbol(uint32_t lane, CodingTables::Interval in) {
    uint32_t& x = states_[lane];
    if ((x >> 20) >= in.frequency) emit(x);
    x = (x / in.frequency << limits::kPrecisionBits) + in.start + x % in.frequency;
  }
  void raw(uint32_t lane, uint32_t bits, uint32_t shift) {
    uint32_t& x = states_[lane];
    if ((x >> (32 - shift)) != 0) emit(x);
    x = x << shift | bits;
  }

  uint32_t state(uint32_t lane) const { return states_[lane]; }
  const std::vector<uint16_t>& reversed_words() const { return words_; }

 private:
  void emit(uint32_t& x) {
    words_.push_back(static_cast<uint16_t>(x));
    x >>= 16;
  }
  uint32_t states_[kLanes];
  std::vector<uint16_t> words_;
};

}  // namespace

CodingTables::CodingTables(const TableSet& set) {
  for (const FrequencyTable& table : set) {
    maps_.push_back(table.symbols());
    first_.push_back(intervals_.size());
    uint32_t start = 0;
    for (const uint16_t f : table.frequencies) {
      intervals_.push_back({start, f});
      start += f;
    }
  }
}

std::vector<std::byte> encode_tile(const CodingTables& tables, const TileContexts& contexts, const TileShape& shape,
                                   const int32_t* symbols, size_t stride, std::span<const Patch> patches) {
  ReverseEncoder encoder;
  const uint32_t groups = (shape.chunks + kLanes - 1) / kLanes;
  const uint32_t runs = (groups + shape.run_groups - 1) / shape.run_groups;
  for (uint32_t run = runs; run-- > 0;) {
    const uint32_t run_begin = run * shape.run_groups, run_end = std::min(groups, run_begin + shape.run_groups);
    for (unsigned c = shape.channels; c-- > 0;) {
      for (uint32_t g = run_end; g-- > run_begin;) {
        const uint32_t first = g * kLanes, lanes = std::min(kLanes, shape.chunks - first);
        const int32_t* values = symbols + c * stride + first;
        for (uint32_t a = lanes; a-- > 0;) {
          const CodedInteger coded = contexts.coded(c, first + a, values[a]);
          const SymbolMap& map = tables.symbols(coded.context);
          if (map.shift != 0) encoder.raw(a, map.raw_of(coded.value), map.shift);
        }
        for (uint32_t a = lanes; a-- > 0;) {
          const CodedInteger coded = contexts.coded(c, first + a, values[a]);
          encoder.symbol(a, tables.interval(coded.context, tables.symbols(coded.context).symbol_of(coded.value)));
        }
      }
    }
  }

  const std::vector<uint16_t>& words = encoder.reversed_words();
  const uint32_t active = std::min(kLanes, shape.chunks);
  std::vector<std::byte> tile;
  tile.reserve(4 + 4 * active + 2 * words.size());
  append_le(tile, static_cast<uint32_t>(words.size()));
  for (uint32_t a = 0; a < active; ++a) append_le(tile, encoder.state(a));
  for (size_t i = words.size(); i-- > 0;) append_le(tile, words[i]);

  std::vector<int32_t> escapes;
  for (uint32_t run = 0; run < runs; ++run) {
    const uint32_t begin = run * shape.run_groups * kLanes,
                   end = std::min(shape.chunks, begin + shape.run_groups * kLanes);
    for (unsigned c = 0; c < shape.channels; ++c) {
      for (uint32_t i = begin; i < end; ++i) {
        const CodedInteger coded = contexts.coded(c, i, symbols[c * stride + i]);
        const SymbolMap& map = tables.symbols(coded.context);
        if (map.symbol_of(coded.value) == map.escape()) escapes.push_back(coded.value);
      }
    }
  }
  append_side_data(tile, escapes, patches);
  return tile;
}

void append_side_data(std::vector<std::byte>& tile, std::span<const int32_t> escapes, std::span<const Patch> patches) {
  for (const int32_t value : escapes) append_varint(tile, zigzag(value));
  uint64_t next = 0;
  for (const Patch& patch : patches) {
    append_varint(tile, patch.position - next);
    append_le(tile, half_from_float(patch.value));
    next = uint64_t{patch.position} + 1;
  }
}

}  // namespace nwc
