// Integer frequency tables: the entropy model as the coder sees it (docs/format.md, section 3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nwcodec/limits.h"
#include "nwcodec/result.h"

namespace nwc {

inline constexpr uint32_t kFrequencyTotal = 1u << limits::kPrecisionBits;
inline constexpr int32_t kMaxTableValue = 32767;  // integers of a table lie in [-kMax, kMax], so that they fit 16 bits
inline constexpr int32_t kMaxSymbolValue = 1 << 30;  // those of an escape too

// Symbols 0..count-1 stand for integers, 2^shift neighbouring ones each; symbol `count` is the escape.
struct FrequencyTable {
  int32_t minimum = 0;
  uint32_t shift = 0;
  std::vector<uint16_t> frequencies;  // count + 1 entries, the escape's last; their sum is kFrequencyTotal

  uint32_t count() const { return static_cast<uint32_t>(frequencies.size()) - 1; }
  // The symbol for an integer; count() if it lies outside.
  uint32_t symbol_of(int32_t value) const {
    const int64_t offset = int64_t{value} - minimum;
    if (offset < 0 || (offset >> shift) >= count()) return count();
    return static_cast<uint32_t>(offset >> shift);
  }

  friend bool operator==(const FrequencyTable&, const FrequencyTable&) = default;
};

// The bounds of the format; errors are kCorrupt.
Status check_table(const FrequencyTable& table);

// What the decoding kernels read: for each of the 4096 slots
//   bits 0-7 symbol, bits 8-19 frequency, bits 20-31 slot - start of the symbol.
// A table always has an escape, so every frequency is at most 4095 and fits 12 bits.
struct DecodingTable {
  std::vector<uint32_t> slots;  // kFrequencyTotal entries
  int32_t minimum = 0;
  uint32_t shift = 0;
  uint32_t escape = 0;  // = count
};

// Precondition: check_table() passes.
DecodingTable make_decoding_table(const FrequencyTable& table);

// The tables of a codec, or of one stream: level-major, then channel.
struct TableSet {
  unsigned levels = 0, channels = 0;
  std::vector<FrequencyTable> tables;
  const FrequencyTable& at(unsigned level, unsigned channel) const { return tables[level * channels + channel]; }
};

// Own tables of a stream (docs/format.md, section 7). An entry without frequencies means the codec's table.
std::vector<std::byte> serialise_own_tables(const TableSet& own);
// `fallback` supplies the shape and the tables that the stream leaves out.
Result<TableSet> parse_own_tables(std::span<const std::byte> bytes, const TableSet& fallback);

}  // namespace nwc
