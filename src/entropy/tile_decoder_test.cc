#include "entropy/tile_decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "entropy/encode/tile_encoder.h"
#include "support/coded_tile.h"

namespace nwc {
namespace {

using namespace testing;

// Round trip with every instruction set, alone and in threes (a pair and a rest).
void expect_round_trip(const TileCoding& coding, double escape_share, std::mt19937& random) {
  SCOPED_TRACE(coding.describe());
  std::vector<TileContent> contents;
  std::vector<std::vector<std::byte>> tiles;
  for (int t = 0; t < 3; ++t) {
    contents.push_back(random_content(coding, escape_share, random));
    tiles.push_back(encode_content(coding, contents.back()));
  }
  for (const Isa isa : available_isas()) {
    SCOPED_TRACE(name_of(isa));
    const std::vector<TileOutcome> together = decode_coded(tiles, coding, isa);
    for (size_t t = 0; t < 3; ++t) {
      const TileOutcome alone = std::move(decode_coded({tiles[t]}, coding, isa)[0]);
      ASSERT_TRUE(alone.status.ok()) << alone.status.error().to_string();
      ASSERT_TRUE(together[t].status.ok()) << together[t].status.error().to_string();
      ASSERT_EQ(alone.values, contents[t].values);
      ASSERT_EQ(together[t].values, contents[t].values);
      ASSERT_TRUE(same(alone.patches, contents[t].patches));
      ASSERT_TRUE(same(together[t].patches, contents[t].patches));
      ASSERT_TRUE(same(together[t].escapes, alone.escapes));
    }
  }
}

TEST(Tile, RoundTripForEveryShape) {
  std::mt19937 random(1);
  for (const uint32_t chunks : {1u, 31u, 32u, 33u, 63u, 64u, 65u, 1000u, 2048u}) {
    for (const unsigned channels : {1u, 3u, 16u}) {
      for (const uint32_t run_groups : {1u, 2u, 64u}) {
        for (const uint32_t shift : {0u, 1u, 5u, 15u}) {
          TableSet tables;
          for (unsigned c = 0; c < channels; ++c)
            tables.push_back(random_table(1 + random() % 60, c == 1 ? 0 : shift, random));
          expect_round_trip(TileCoding::by_channel(tables, chunks, run_groups), 0.01, random);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST(Tile, RoundTripForTheSmallestAndLargestTables) {
  std::mt19937 random(2);
  for (const uint32_t count : {1u, 255u}) {
    for (const uint32_t shift : {0u, 4u}) {
      for (const double escape_share : {0.0, 0.02, 1.0}) {
        TableSet tables;
        for (unsigned c = 0; c < 3; ++c) tables.push_back(random_table(count, shift, random));
        expect_round_trip(TileCoding::by_channel(tables, 200, 2), escape_share, random);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(Tile, RoundTripForFrequenciesAtTheirBounds) {
  std::mt19937 random(3);
  for (const std::vector<uint16_t>& frequencies :
       {std::vector<uint16_t>{4095, 1}, {1, 4095}, {1, 4094, 1}, {2048, 2047, 1}}) {
    expect_round_trip(TileCoding::by_channel({{-1, 0, frequencies}}, 777, 3), 0.3, random);
    if (HasFatalFailure()) return;
  }
}

TEST(Tile, ChannelsMayShareTables) {
  std::mt19937 random(4);
  TableSet tables;
  for (unsigned i = 0; i < 6; ++i) tables.push_back(random_table(5 + 7 * i, i % 3, random));
  TileCoding coding = TileCoding::by_channel(tables, 100, 64);
  for (const std::vector<Context>& contexts :
       {std::vector<Context>{0, 1}, {2, 3}, {4, 5}, {5, 5}, {3, 0, 3, 1, 5, 2, 2}}) {
    coding.contexts = contexts;
    coding.shape.channels = static_cast<unsigned>(contexts.size());
    expect_round_trip(coding, 0.05, random);
  }
}

// Every symbol with a context of its own, as a rule by rows and columns gives them.
TEST(Tile, EverySymbolMayHaveItsContext) {
  std::mt19937 random(6);
  for (const uint32_t chunks : {1u, 31u, 32u, 33u, 65u, 1000u}) {
    for (const uint32_t run_groups : {1u, 3u, 64u}) {
      for (const uint32_t most_shift : {0u, 3u}) {
        TableSet tables;
        for (unsigned i = 0; i < 24; ++i)
          tables.push_back(random_table(1 + random() % 100, most_shift == 0 ? 0 : i % (most_shift + 1), random));
        TileCoding coding = TileCoding::by_channel(tables, chunks, run_groups);
        coding.shape.channels = 5;
        coding.shared = false;
        coding.contexts.clear();
        for (uint32_t i = 0; i < 5 * chunks; ++i) coding.contexts.push_back(static_cast<Context>(random() % 24));
        expect_round_trip(coding, 0.02, random);
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Contexts written out for every symbol give the bytes of shared ones.
TEST(Tile, WrittenOutContextsAreTheSameStream) {
  std::mt19937 random(7);
  TableSet tables;
  for (unsigned i = 0; i < 3; ++i) tables.push_back(random_table(20, i % 2, random));
  const TileCoding coding = TileCoding::by_channel(tables, 333, 4);
  TileCoding written = coding;
  written.shared = false;
  written.contexts.clear();
  for (Context c = 0; c < 3; ++c) written.contexts.insert(written.contexts.end(), 333, c);
  const TileContent content = random_content(coding, 0.02, random);
  EXPECT_EQ(encode_content(coding, content), encode_content(written, content));
}

TEST(Tile, PayloadIsWithinAFewBytesOfTheEntropy) {
  std::mt19937 random(5);
  const TileCoding coding = TileCoding::by_channel({{0, 0, {2048, 1024, 512, 511, 1}}}, 65536, 64);
  TileContent content;
  double bits = 0;
  for (uint32_t i = 0; i < coding.shape.chunks; ++i) {
    const uint32_t slot = static_cast<uint32_t>(random() % 4095);
    const int32_t value = slot < 2048 ? 0 : slot < 3072 ? 1 : slot < 3584 ? 2 : 3;
    content.values.push_back(value);
    bits += 12 - std::log2(coding.tables[0].frequencies[static_cast<size_t>(value)]);
  }
  const double size = static_cast<double>(encode_content(coding, content).size());
  EXPECT_GT(size, bits / 8);
  EXPECT_LT(size, bits / 8 * 1.0005 + 132);  // 32 states and the number of words
}

// Worked out by hand. One chunk, two channels with the same table: integers 10 and 11 with frequencies 4000 and 95,
// escape 1. Channel 0 is the integer 11 (start 4000, frequency 95), channel 1 the integer 300, an escape (start 4095,
// frequency 1). The encoder goes backwards from the state 65536:
//   channel 1: 65536 >> 20 = 0 < 1: no word. 65536 / 1 * 4096 + 4095 + 0 = 268439551 = 0x10000FFF
//   channel 0: 0x10000FFF >> 20 = 256 >= 95: word 0x0FFF, state 0x1000 = 4096. 4096 / 95 = 43, rest 11: 43 * 4096 +
//   4000 + 11 = 180139
// zigzag(300) = 600 = 0xD8 0x04. The patch 1.5 (0x3E00) at weight 3 of the tile: gap 3.
TEST(Tile, GoldenBytes) {
  const TileCoding coding = TileCoding::by_channel({{10, 0, {4000, 95, 1}}, {10, 0, {4000, 95, 1}}}, 1, 64, 4);
  const int32_t values[] = {11, 300};
  const Patch patch{3, 1.5f};
  const uint8_t golden[] = {1, 0, 0, 0, 0xAB, 0xBF, 0x02, 0, 0xFF, 0x0F, 0xD8, 0x04, 3, 0x00, 0x3E};
  std::vector<std::byte> expected;
  for (const uint8_t b : golden) expected.push_back(static_cast<std::byte>(b));
  EXPECT_EQ(encode_tile(CodingTables(coding.tables), coding.view(), coding.shape, values, 1, {&patch, 1}), expected);
  for (const Isa isa : available_isas()) {
    const TileOutcome outcome = std::move(decode_coded({expected}, coding, isa)[0]);
    ASSERT_TRUE(outcome.status.ok()) << outcome.status.error().to_string();
    EXPECT_EQ(outcome.symbols, (std::vector<uint8_t>{1, 2}));
    EXPECT_EQ(outcome.values, (std::vector<int32_t>{11, 300}));
    ASSERT_EQ(outcome.patches.size(), 1u);
    EXPECT_EQ(outcome.patches[0].position, 3u);
    EXPECT_EQ(outcome.patches[0].value, 1.5f);
  }
}

}  // namespace
}  // namespace nwc
