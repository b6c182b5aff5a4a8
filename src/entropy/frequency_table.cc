#include "entropy/frequency_table.h"

#include <string>

#include "base/bytes.h"

namespace nwc {

Status check_table(const FrequencyTable& table) {
  const auto fail = [](std::string why) { return Error(ErrorCode::kCorrupt, "frequency table " + std::move(why)); };
  if (table.frequencies.size() < 2 || table.frequencies.size() > limits::kMaxSymbols) {
    return fail("has " + std::to_string(table.frequencies.size()) + " entries; it must have 2 to 256");
  }
  if (table.shift > limits::kMaxShift) return fail("has a shift of " + std::to_string(table.shift));
  const int64_t last = int64_t{table.minimum} + (int64_t{table.count()} << table.shift) - 1;
  if (table.minimum < -kMaxTableValue || last > kMaxTableValue)
    return fail("stands for integers outside -32767 to 32767");
  uint32_t total = 0;
  for (const uint16_t f : table.frequencies) {
    if (f == 0) return fail("has a frequency of 0");
    total += f;
  }
  if (total != kFrequencyTotal)
    return fail("has frequencies that sum to " + std::to_string(total) + " instead of 4096");
  return {};
}

void fill_decoding_slots(const FrequencyTable& table, std::span<uint32_t, kFrequencyTotal> slots) {
  uint32_t slot = 0;
  for (uint32_t symbol = 0; symbol <= table.count(); ++symbol) {
    const uint32_t frequency = table.frequencies[symbol];
    for (uint32_t i = 0; i < frequency; ++i) slots[slot++] = symbol | frequency << 8 | i << 20;
  }
}

std::vector<std::byte> serialise_own_tables(const TableSet& own) {
  std::vector<std::byte> bytes;
  for (const FrequencyTable& table : own) {
    if (table.frequencies.empty()) {
      append_varint(bytes, 0);
      continue;
    }
    append_varint(bytes, table.count());
    append_varint(bytes, zigzag(table.minimum));
    append_varint(bytes, table.shift);
    for (const uint16_t f : table.frequencies) append_varint(bytes, f);
  }
  return bytes;
}

Result<TableSet> parse_own_tables(std::span<const std::byte> bytes, const TableSet& fallback) {
  ByteReader reader(bytes);
  const auto truncated = [&] { return Error(ErrorCode::kCorrupt, "own tables of the stream end early"); };
  TableSet own;
  own.reserve(fallback.size());
  for (const FrequencyTable& of_codec : fallback) {
    const std::optional<uint64_t> count = reader.varint();
    if (!count) return truncated();
    if (*count == 0) {
      own.push_back(of_codec);
      continue;
    }
    const std::optional<uint64_t> minimum = reader.varint(), shift = reader.varint();
    if (!minimum || !shift) return truncated();
    const int64_t first = unzigzag(*minimum);
    if (*count >= limits::kMaxSymbols || *shift > limits::kMaxShift || first < -kMaxTableValue ||
        first > kMaxTableValue) {
      return Error(ErrorCode::kCorrupt, "own table of the stream has a count, shift or minimum out of range");
    }
    FrequencyTable table{static_cast<int32_t>(first), static_cast<uint32_t>(*shift), {}};
    for (uint64_t i = 0; i <= *count; ++i) {
      const std::optional<uint64_t> f = reader.varint();
      if (!f) return truncated();
      if (*f >= kFrequencyTotal)
        return Error(ErrorCode::kCorrupt, "own table of the stream has a frequency out of range");
      table.frequencies.push_back(static_cast<uint16_t>(*f));
    }
    NWC_RETURN_IF_ERROR(check_table(table));
    own.push_back(std::move(table));
  }
  if (reader.remaining() != 0)
    return Error(ErrorCode::kCorrupt, "own tables of the stream are followed by other bytes");
  return own;
}

}  // namespace nwc
