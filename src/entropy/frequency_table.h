// Integer frequency tables: the entropy model as the coder sees it (docs/format.md, section 3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "entropy/symbol_map.h"
#include "nwcodec/limits.h"
#include "nwcodec/result.h"

namespace nwc {

inline constexpr uint32_t kFrequencyTotal = 1u << limits::kPrecisionBits;
inline constexpr int32_t kMaxTableValue = 32767;  // integers of a table lie in [-kMax, kMax], so that they fit 16 bits
inline constexpr int32_t kMaxSymbolValue = 1 << 30;  // those of an escape too

// Frequencies of the symbols of a map; its count is one less than their number.
struct FrequencyTable {
  int32_t minimum = 0;
  uint32_t shift = 0;
  std::vector<uint16_t> frequencies;  // count + 1 entries, the escape's last; their sum is kFrequencyTotal

  uint32_t count() const { return static_cast<uint32_t>(frequencies.size()) - 1; }
  SymbolMap symbols() const { return {minimum, shift, count()}; }

  friend bool operator==(const FrequencyTable&, const FrequencyTable&) = default;
};

// The bounds of the format; errors are kCorrupt.
Status check_table(const FrequencyTable& table);

// What the decoding kernels read of a table, for each of the 4096 slots:
//   bits 0-7 symbol, bits 8-19 frequency, bits 20-31 slot - start of the symbol.
// A table always has an escape, so every frequency is at most 4095 and fits 12 bits. Precondition: check_table()
// passes.
void fill_decoding_slots(const FrequencyTable& table, std::span<uint32_t, kFrequencyTotal> slots);

// The tables of a codec, or of one stream, by context.
using TableSet = std::vector<FrequencyTable>;

// Own tables of a stream (docs/format.md, section 7). An entry without frequencies means the codec's table.
std::vector<std::byte> serialise_own_tables(const TableSet& own);
// `fallback`: the codec's tables, which are as many, and stand in for those that the stream leaves out.
Result<TableSet> parse_own_tables(std::span<const std::byte> bytes, const TableSet& fallback);

}  // namespace nwc
