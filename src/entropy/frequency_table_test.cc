#include "entropy/frequency_table.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace nwc {
namespace {

// Two ordinary symbols for the integers 0 and 1, and an escape.
FrequencyTable small_table() { return {0, 0, {3000, 1000, 96}}; }

FrequencyTable flat_table(size_t count, int32_t minimum, uint32_t shift) {
  FrequencyTable table{minimum, shift, std::vector<uint16_t>(count + 1, 1)};
  table.frequencies[0] = static_cast<uint16_t>(kFrequencyTotal - count);
  return table;
}

std::string refusal(const FrequencyTable& table) {
  const Status status = check_table(table);
  if (status) return "";
  EXPECT_EQ(status.error().code(), ErrorCode::kCorrupt);
  return status.error().message();
}

TEST(FrequencyTable, SymbolsStandForGroupsOfIntegers) {
  const FrequencyTable table{-10, 2, {2000, 1000, 1000, 96}};  // -10..-7, -6..-3, -2..1
  EXPECT_EQ(table.count(), 3u);
  EXPECT_EQ(table.symbols().symbol_of(-10), 0u);
  EXPECT_EQ(table.symbols().symbol_of(-7), 0u);
  EXPECT_EQ(table.symbols().symbol_of(-6), 1u);
  EXPECT_EQ(table.symbols().symbol_of(1), 2u);
  EXPECT_EQ(table.symbols().symbol_of(2), 3u);
  EXPECT_EQ(table.symbols().symbol_of(-11), 3u);
  EXPECT_EQ(table.symbols().symbol_of(kMaxSymbolValue), 3u);
  EXPECT_EQ(table.symbols().symbol_of(-kMaxSymbolValue), 3u);
}

TEST(CheckTable, AcceptsEveryBoundItself) {
  EXPECT_EQ(refusal(small_table()), "");
  EXPECT_EQ(refusal({0, 0, {4095, 1}}), "");
  EXPECT_EQ(refusal({0, 0, {1, 4095}}), "");
  EXPECT_EQ(refusal(flat_table(255, 0, 0)), "");
  EXPECT_EQ(refusal({-32767, 15, {4095, 1}}), "");
  EXPECT_EQ(refusal({0, 15, {4095, 1}}), "") << "0 to 32767";
  EXPECT_EQ(refusal({-1, 14, {4000, 95, 1}}), "") << "-1 to 32766";
}

TEST(CheckTable, NamesEveryViolatedBound) {
  EXPECT_EQ(refusal({0, 0, {}}), "frequency table has 0 entries; it must have 2 to 256");
  EXPECT_EQ(refusal({0, 0, {4096}}), "frequency table has 1 entries; it must have 2 to 256");
  EXPECT_EQ(refusal(flat_table(256, 0, 0)), "frequency table has 257 entries; it must have 2 to 256");
  EXPECT_EQ(refusal({0, 16, {4095, 1}}), "frequency table has a shift of 16");
  const std::string outside = "frequency table stands for integers outside -32767 to 32767";
  EXPECT_EQ(refusal({-32768, 0, {4095, 1}}), outside);
  EXPECT_EQ(refusal({32768, 0, {4095, 1}}), outside);
  EXPECT_EQ(refusal({32767, 0, {4000, 95, 1}}), outside);
  EXPECT_EQ(refusal({0, 15, {4000, 95, 1}}), outside);
  EXPECT_EQ(refusal({INT32_MAX, 0, {4095, 1}}), outside);
  EXPECT_EQ(refusal({INT32_MIN, 15, {4095, 1}}), outside);
  EXPECT_EQ(refusal({0, 0, {4096, 0}}), "frequency table has a frequency of 0");
  EXPECT_EQ(refusal({0, 0, {0, 4095, 1}}), "frequency table has a frequency of 0");
  EXPECT_EQ(refusal({0, 0, {4000, 95}}), "frequency table has frequencies that sum to 4095 instead of 4096");
  EXPECT_EQ(refusal({0, 0, {65535, 1}}), "frequency table has frequencies that sum to 65536 instead of 4096");
}

TEST(SymbolMap, LiteralSymbols) {
  const SymbolMap map = FrequencyTable{-5, 3, {3000, 1000, 96}}.symbols();
  EXPECT_EQ(map.minimum, -5);
  EXPECT_EQ(map.shift, 3u);
  EXPECT_EQ(map.escape(), 2u);
  EXPECT_EQ(map.symbol_of(-6), 2u) << "the escape";
  EXPECT_EQ(map.symbol_of(-5), 0u);
  EXPECT_EQ(map.symbol_of(2), 0u);
  EXPECT_EQ(map.symbol_of(3), 1u);
  EXPECT_EQ(map.symbol_of(10), 1u);
  EXPECT_EQ(map.symbol_of(11), 2u);
  EXPECT_EQ(map.symbol_of(INT32_MIN), 2u);
  EXPECT_EQ(map.symbol_of(INT32_MAX), 2u);
  EXPECT_EQ(map.raw_of(2), 7u);
  EXPECT_EQ(map.raw_of(11), 0u) << "of an escape";
  EXPECT_EQ(map.value_of(1, 7), 10);
}

TEST(DecodingSlots, Literal) {
  std::vector<uint32_t> slots(kFrequencyTotal);
  fill_decoding_slots({-5, 3, {3000, 1000, 96}}, std::span<uint32_t, kFrequencyTotal>(slots));
  // symbol | frequency << 8 | offset << 20; 3000 = 0xBB8, 1000 = 0x3E8, 96 = 0x060
  EXPECT_EQ(slots[0], 0x000BB800u);
  EXPECT_EQ(slots[1], 0x001BB800u);
  EXPECT_EQ(slots[2999], 0xBB7BB800u);
  EXPECT_EQ(slots[3000], 0x0003E801u);
  EXPECT_EQ(slots[3999], 0x3E73E801u);
  EXPECT_EQ(slots[4000], 0x00006002u);
  EXPECT_EQ(slots[4095], 0x05F06002u);
}

std::vector<std::byte> bytes(std::initializer_list<int> values) {
  std::vector<std::byte> out;
  for (const int v : values) out.push_back(static_cast<std::byte>(v));
  return out;
}

TEST(OwnTables, LiteralBytes) {
  const TableSet own{{}, {-3, 1, {4000, 95, 1}}};
  // 0 (the codec's), then count 2, zigzag(-3) = 5, shift 1, 4000 = 0xA0 0x1F, 95, 1
  EXPECT_EQ(serialise_own_tables(own), bytes({0, 2, 5, 1, 0xA0, 0x1F, 95, 1}));
}

TEST(OwnTables, RoundTripAndFallback) {
  std::mt19937 random(3);
  TableSet codec, own, expected;
  for (unsigned i = 0; i < 12; ++i) {
    codec.push_back(flat_table(1 + i, static_cast<int32_t>(i), 0));
    const bool replaced = i % 3 != 1;
    own.push_back(replaced ? flat_table(1 + random() % 255, -static_cast<int32_t>(random() % 30000), random() % 4)
                           : FrequencyTable{});
    expected.push_back(replaced ? own.back() : codec.back());
  }
  const Result<TableSet> parsed = parse_own_tables(serialise_own_tables(own), codec);
  ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
  EXPECT_EQ(*parsed, expected);
}

TEST(OwnTables, EveryTruncationIsRefused) {
  const TableSet codec(3, small_table());
  const TableSet own{flat_table(20, -300, 2), {}, flat_table(3, 7, 0)};
  const std::vector<std::byte> whole = serialise_own_tables(own);
  ASSERT_TRUE(parse_own_tables(whole, codec).ok());
  for (size_t size = 0; size < whole.size(); ++size) {
    const Result<TableSet> parsed = parse_own_tables({whole.data(), size}, codec);
    ASSERT_FALSE(parsed.ok()) << size;
    EXPECT_EQ(parsed.error().code(), ErrorCode::kCorrupt);
  }
}

TEST(OwnTables, DamageIsRefusedWithAReason) {
  const TableSet codec{small_table()};
  const auto why = [&](std::vector<std::byte> input) {
    const Result<TableSet> parsed = parse_own_tables(input, codec);
    return parsed.ok() ? std::string() : parsed.error().message();
  };
  ASSERT_EQ(why(bytes({1, 0, 0, 0xFF, 0x1F, 1})), "");  // 4095, 1
  EXPECT_EQ(why(bytes({1, 0, 0, 0xFF, 0x1F, 1, 0})), "own tables of the stream are followed by other bytes");
  const std::string range = "own table of the stream has a count, shift or minimum out of range";
  EXPECT_EQ(why(bytes({0x80, 0x02, 0, 0})), range) << "count 256";
  EXPECT_EQ(why(bytes({1, 0, 16})), range) << "shift 16";
  EXPECT_EQ(why(bytes({1, 0xFF, 0xFF, 0x03, 0})), range) << "minimum -32768";
  EXPECT_EQ(why(bytes({1, 0x80, 0x80, 0x04, 0})), range) << "minimum 32768";
  EXPECT_EQ(why(bytes({1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0})), range) << "minimum -2^63";
  EXPECT_EQ(why(bytes({1, 0, 0, 0x80, 0x20, 1})), "own table of the stream has a frequency out of range") << "4096";
  EXPECT_EQ(why(bytes({1, 0, 0, 0xFE, 0x1F, 1})), "frequency table has frequencies that sum to 4095 instead of 4096");
  EXPECT_EQ(why(bytes({1, 0, 0, 0, 0})), "frequency table has a frequency of 0");
  EXPECT_EQ(why(bytes({1, 0, 0, 0xFF})), "own tables of the stream end early");
}

}  // namespace
}  // namespace nwc
