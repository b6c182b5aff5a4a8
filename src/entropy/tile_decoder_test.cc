#include "entropy/tile_decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "base/bytes.h"
#include "entropy/encode/tile_encoder.h"
#include "entropy/rans_kernel.h"

namespace nwc {
namespace {

constexpr unsigned kChunkLength = 16;

// What a tile holds, after decoding or before encoding.
struct Content {
  std::vector<int32_t> values;  // [channels][chunks]
  std::vector<Patch> patches;
};

struct Outcome {
  Status status;
  std::vector<uint8_t> symbols;  // [channels][chunks]
  std::vector<int32_t> values;
  std::vector<Escape> escapes;
  std::vector<Patch> patches;
};

bool same(const std::vector<Patch>& a, const std::vector<Patch>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Patch& x, const Patch& y) { return x.position == y.position && x.value == y.value; });
}
bool same(const std::vector<Escape>& a, const std::vector<Escape>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Escape& x, const Escape& y) {
    return x.channel == y.channel && x.chunk == y.chunk && x.value == y.value;
  });
}

// Decodes tiles together. Each lies in memory of exactly its size, so that reading past its end is found by the
// sanitizer.
std::vector<Outcome> decode(const std::vector<std::vector<std::byte>>& tiles, const TableSet& tables,
                            const TileShape& shape, Isa isa) {
  const DecodingTables decoding(tables);
  const size_t stride = (shape.chunks + 31) / 32 * 32, size = stride * tables.channels;
  std::vector<Outcome> outcomes(tiles.size());
  std::vector<std::vector<uint8_t>> symbols(tiles.size(), std::vector<uint8_t>(size, 0xCC));
  std::vector<std::vector<uint16_t>> raws(tiles.size(), std::vector<uint16_t>(size, 0xCCCC));
  std::vector<TileJob> jobs;
  std::vector<std::vector<std::byte>> copies;
  for (const std::vector<std::byte>& tile : tiles) copies.emplace_back(tile.begin(), tile.end());
  for (size_t t = 0; t < tiles.size(); ++t)
    jobs.push_back({copies[t], symbols[t].data(), raws[t].data(), &outcomes[t].escapes, &outcomes[t].patches});
  size_t failed = 0;
  const Status status = decode_tiles(jobs, decoding, shape, isa, stride, &failed);
  if (!status) {
    outcomes[failed].status = status;
    return outcomes;
  }
  for (size_t t = 0; t < tiles.size(); ++t) {
    Outcome& outcome = outcomes[t];
    for (unsigned c = 0; c < tables.channels; ++c) {
      const FrequencyTable& table = tables.at(shape.level, c);
      for (uint32_t i = 0; i < shape.chunks; ++i) {
        const uint32_t symbol = symbols[t][c * stride + i], raw = table.shift == 0 ? 0 : raws[t][c * stride + i];
        outcome.symbols.push_back(static_cast<uint8_t>(symbol));
        outcome.values.push_back(table.minimum + static_cast<int32_t>((symbol << table.shift) + raw));
      }
    }
    for (const Escape& escape : outcome.escapes)
      outcome.values[size_t{escape.channel} * shape.chunks + escape.chunk] = escape.value;
  }
  return outcomes;
}

FrequencyTable random_table(uint32_t count, uint32_t shift, std::mt19937& random) {
  count = std::min<uint32_t>(count, std::max<uint32_t>(1, 65535u >> shift));
  FrequencyTable table{0, shift, std::vector<uint16_t>(count + 1, 1)};
  const int32_t width = static_cast<int32_t>(count << shift);
  table.minimum = std::clamp(-width / 2, -kMaxTableValue, kMaxTableValue - width + 1);
  uint32_t left = kFrequencyTotal - count - 1;
  while (left > 0) {
    const uint32_t part = std::min<uint32_t>(left, 1 + static_cast<uint32_t>(random() % 300));
    uint16_t& f = table.frequencies[random() % (count + 1)];
    f = static_cast<uint16_t>(f + part);
    left -= part;
  }
  return table;
}

// `escape_share` of the values lie outside the table, some at the format's bounds.
Content random_content(const TableSet& tables, const TileShape& shape, double escape_share, std::mt19937& random) {
  Content content;
  std::uniform_real_distribution<double> uniform;
  for (unsigned c = 0; c < tables.channels; ++c) {
    const FrequencyTable& table = tables.at(shape.level, c);
    const int32_t width = static_cast<int32_t>(table.count() << table.shift);
    for (uint32_t i = 0; i < shape.chunks; ++i) {
      if (uniform(random) >= escape_share) {
        content.values.push_back(table.minimum + static_cast<int32_t>(random() % static_cast<uint32_t>(width)));
        continue;
      }
      const int32_t outside[] = {kMaxSymbolValue, -kMaxSymbolValue, table.minimum - 1, table.minimum + width,
                                 table.minimum - 1000};
      content.values.push_back(outside[random() % 5]);
    }
  }
  const uint32_t weights = shape.chunks * shape.chunk_length;
  content.patches.push_back({0, 1.5f});
  if (weights > 200) content.patches.push_back({150, -65504.0f});
  content.patches.push_back({weights - 1, 0x1p-24f});
  return content;
}

std::vector<std::byte> encode(const TableSet& tables, const TileShape& shape, const Content& content) {
  return encode_tile(tables, shape, content.values.data(), shape.chunks, content.patches);
}

std::string describe(const TileShape& shape, const TableSet& tables) {
  return std::to_string(shape.chunks) + " chunks, " + std::to_string(tables.channels) + " channels, runs of " +
         std::to_string(shape.run_groups) + ", shift " + std::to_string(tables.tables[0].shift) + ", " +
         std::to_string(tables.tables[0].count()) + " symbols";
}

// Round trip with every instruction set, alone and in threes (a pair and a rest).
void expect_round_trip(const TableSet& tables, const TileShape& shape, double escape_share, std::mt19937& random) {
  SCOPED_TRACE(describe(shape, tables));
  std::vector<Content> contents;
  std::vector<std::vector<std::byte>> tiles;
  for (int t = 0; t < 3; ++t) {
    contents.push_back(random_content(tables, shape, escape_share, random));
    tiles.push_back(encode(tables, shape, contents.back()));
  }
  for (const Isa isa : available_isas()) {
    SCOPED_TRACE(name_of(isa));
    const std::vector<Outcome> together = decode(tiles, tables, shape, isa);
    for (size_t t = 0; t < 3; ++t) {
      const Outcome alone = std::move(decode({tiles[t]}, tables, shape, isa)[0]);
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
          TableSet tables{1, channels, {}};
          for (unsigned c = 0; c < channels; ++c)
            tables.tables.push_back(random_table(1 + random() % 60, c == 1 ? 0 : shift, random));
          expect_round_trip(tables, {0, chunks, run_groups, kChunkLength}, 0.01, random);
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
        TableSet tables{1, 3, {}};
        for (unsigned c = 0; c < 3; ++c) tables.tables.push_back(random_table(count, shift, random));
        expect_round_trip(tables, {0, 200, 2, kChunkLength}, escape_share, random);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(Tile, RoundTripForFrequenciesAtTheirBounds) {
  std::mt19937 random(3);
  for (const std::vector<uint16_t>& frequencies :
       {std::vector<uint16_t>{4095, 1}, {1, 4095}, {1, 4094, 1}, {2048, 2047, 1}}) {
    const TableSet tables{1, 1, {{-1, 0, frequencies}}};
    expect_round_trip(tables, {0, 777, 3, kChunkLength}, 0.3, random);
    if (HasFatalFailure()) return;
  }
}

TEST(Tile, UsesTheTablesOfItsLevel) {
  std::mt19937 random(4);
  TableSet tables{3, 2, {}};
  for (unsigned i = 0; i < 6; ++i) tables.tables.push_back(random_table(5 + 7 * i, i % 3, random));
  for (unsigned level = 0; level < 3; ++level) expect_round_trip(tables, {level, 100, 64, kChunkLength}, 0.05, random);
}

TEST(Tile, PayloadIsWithinAFewBytesOfTheEntropy) {
  std::mt19937 random(5);
  const TableSet tables{1, 1, {{0, 0, {2048, 1024, 512, 511, 1}}}};
  const TileShape shape{0, 65536, 64, kChunkLength};
  Content content;
  double bits = 0;
  for (uint32_t i = 0; i < shape.chunks; ++i) {
    const uint32_t slot = static_cast<uint32_t>(random() % 4095);
    const int32_t value = slot < 2048 ? 0 : slot < 3072 ? 1 : slot < 3584 ? 2 : 3;
    content.values.push_back(value);
    bits += 12 - std::log2(tables.tables[0].frequencies[static_cast<size_t>(value)]);
  }
  const double size = static_cast<double>(encode(tables, shape, content).size());
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
  const TableSet tables{1, 2, {{10, 0, {4000, 95, 1}}, {10, 0, {4000, 95, 1}}}};
  const TileShape shape{0, 1, 64, 4};
  const int32_t values[] = {11, 300};
  const Patch patch{3, 1.5f};
  const uint8_t golden[] = {1, 0, 0, 0, 0xAB, 0xBF, 0x02, 0, 0xFF, 0x0F, 0xD8, 0x04, 3, 0x00, 0x3E};
  std::vector<std::byte> expected;
  for (const uint8_t b : golden) expected.push_back(static_cast<std::byte>(b));
  EXPECT_EQ(encode_tile(tables, shape, values, 1, {&patch, 1}), expected);
  for (const Isa isa : available_isas()) {
    const Outcome outcome = std::move(decode({expected}, tables, shape, isa)[0]);
    ASSERT_TRUE(outcome.status.ok()) << outcome.status.error().to_string();
    EXPECT_EQ(outcome.symbols, (std::vector<uint8_t>{1, 2}));
    EXPECT_EQ(outcome.values, (std::vector<int32_t>{11, 300}));
    ASSERT_EQ(outcome.patches.size(), 1u);
    EXPECT_EQ(outcome.patches[0].position, 3u);
    EXPECT_EQ(outcome.patches[0].value, 1.5f);
  }
}

// --- damage

struct Sample {
  TableSet tables{1, 3, {}};
  TileShape shape{0, 97, 2, kChunkLength};
  std::vector<std::byte> tile;
  explicit Sample(uint32_t seed, uint32_t chunks = 97) {
    std::mt19937 random(seed);
    shape.chunks = chunks;
    for (unsigned c = 0; c < 3; ++c) tables.tables.push_back(random_table(20, c == 2 ? 3 : 0, random));
    tile = encode(tables, shape, random_content(tables, shape, 0.03, random));
  }
};

// Every instruction set must judge alike, and decode alike what it accepts. Returns whether it was accepted.
bool expect_same_verdict(const std::vector<std::byte>& tile, const Sample& sample) {
  const Outcome reference = std::move(decode({tile}, sample.tables, sample.shape, Isa::kScalar)[0]);
  for (const Isa isa : available_isas()) {
    const Outcome outcome = std::move(decode({tile}, sample.tables, sample.shape, isa)[0]);
    EXPECT_EQ(outcome.status.ok(), reference.status.ok()) << name_of(isa);
    if (!outcome.status || !reference.status) {
      EXPECT_EQ(outcome.status.error().to_string(), reference.status.error().to_string()) << name_of(isa);
      EXPECT_EQ(reference.status.error().code(), ErrorCode::kCorrupt);
      EXPECT_LE(reference.status.error().offset().value(), tile.size());
    } else {
      EXPECT_EQ(outcome.symbols, reference.symbols) << name_of(isa);
      EXPECT_EQ(outcome.values, reference.values) << name_of(isa);
      EXPECT_TRUE(same(outcome.escapes, reference.escapes) && same(outcome.patches, reference.patches)) << name_of(isa);
    }
  }
  return reference.status.ok();
}

TEST(DamagedTile, EveryTruncation) {
  for (const uint32_t chunks : {1u, 33u, 97u}) {
    const Sample sample(11, chunks);
    ASSERT_TRUE(expect_same_verdict(sample.tile, sample));
    const size_t words_end = 4 + 4 * std::min(32u, chunks) + 2 * load_le<uint32_t>(sample.tile.data());
    for (size_t size = 0; size < sample.tile.size() && !HasFailure(); ++size) {
      const bool accepted =
          expect_same_verdict({sample.tile.begin(), sample.tile.begin() + static_cast<ptrdiff_t>(size)}, sample);
      // Patches go on until the tile ends, so a cut between two of them is seen by the checksum only.
      EXPECT_FALSE(accepted && size < words_end) << size;
    }
  }
}

TEST(DamagedTile, RandomFlips) {
  std::mt19937 random(12);
  int refused = 0;
  for (int round = 0; round < 3000 && !HasFailure(); ++round) {
    const Sample sample(static_cast<uint32_t>(round % 7), round % 2 == 0 ? 97 : 64);
    std::vector<std::byte> tile = sample.tile;
    for (int flips = 1 + round % 3; flips > 0; --flips)
      tile[random() % tile.size()] ^= static_cast<std::byte>(1u << random() % 8);
    if (!expect_same_verdict(tile, sample)) ++refused;
  }
  EXPECT_GT(refused, 2500);  // rANS notices nearly every flip by itself: lanes must end where they began
}

TEST(DamagedTile, RandomBytes) {
  std::mt19937 random(13);
  const Sample sample(14, 64);
  for (int round = 0; round < 500 && !HasFailure(); ++round) {
    std::vector<std::byte> tile(random() % 600);
    for (std::byte& b : tile) b = static_cast<std::byte>(random());
    if (tile.size() >= 4) store_le<uint32_t>(tile.data(), static_cast<uint32_t>(random() % 300));
    expect_same_verdict(tile, sample);
  }
}

TEST(DamagedTile, NamesTheTileThatFailed) {
  const Sample sample(15);
  std::vector<std::byte> broken = sample.tile;
  broken[0] ^= std::byte{1};  // the number of words
  const DecodingTables decoding(sample.tables);
  const size_t stride = 128;
  std::vector<uint8_t> symbols(3 * stride);
  std::vector<uint16_t> raws(3 * stride);
  std::vector<Escape> escapes;
  std::vector<Patch> patches;
  const auto job = [&](const std::vector<std::byte>& tile) {
    return TileJob{tile, symbols.data(), raws.data(), &escapes, &patches};
  };
  for (size_t bad = 0; bad < 5; ++bad) {
    std::vector<TileJob> jobs(5, job(sample.tile));
    jobs[bad] = job(broken);
    size_t failed = 99;
    EXPECT_FALSE(decode_tiles(jobs, decoding, sample.shape, available_isas().back(), stride, &failed).ok());
    EXPECT_EQ(failed, bad);
  }
}

std::string why(const std::vector<std::byte>& tile, const TableSet& tables, const TileShape& shape) {
  const Outcome outcome = std::move(decode({tile}, tables, shape, Isa::kScalar)[0]);
  return outcome.status ? std::string() : outcome.status.error().to_string();
}

TEST(DamagedTile, EveryCheckHasItsMessage) {
  // The golden tile above: word count, state, word, escape, patch.
  const TableSet tables{1, 2, {{10, 0, {4000, 95, 1}}, {10, 0, {4000, 95, 1}}}};
  const TileShape shape{0, 1, 64, 4};
  const auto tile = [](std::initializer_list<int> values) {
    std::vector<std::byte> out;
    for (const int v : values) out.push_back(static_cast<std::byte>(v));
    return out;
  };
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAB, 0xBF, 2}), tables, shape), "byte 0: tile is shorter than its states");
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF}), tables, shape),
            "byte 0: tile declares more words than it has");
  EXPECT_EQ(why(tile({0xFF, 0xFF, 0xFF, 0xFF, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F}), tables, shape),
            "byte 0: tile declares more words than it has");
  EXPECT_EQ(why(tile({0, 0, 0, 0, 0xFF, 0xFF, 0, 0}), tables, shape), "byte 4: rANS state is below its range");
  EXPECT_EQ(why(tile({0, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F}), tables, shape),
            "byte 8: tile needs more words than it has");
  EXPECT_EQ(why(tile({2, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F, 0xD8, 4}), tables, shape),
            "byte 10: tile has more words than it needs");
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAC, 0xBF, 2, 0, 0xFF, 0x0F, 0xD8, 4}), tables, shape),
            "byte 8: rANS lane does not end where it began");
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F}), tables, shape),
            "byte 10: tile ends inside its escapes");
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F, 0xD8}), tables, shape),
            "byte 11: tile ends inside its escapes");
  // zigzag(2^30 + 1) = 2^31 + 2; the bound itself passes.
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F, 0x80, 0x80, 0x80, 0x80, 8}), tables, shape), "");
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F, 0x82, 0x80, 0x80, 0x80, 8}), tables, shape),
            "byte 15: escape is out of range");
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F, 0xD8, 4, 3, 0}), tables, shape),
            "byte 13: tile ends inside a patch");
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F, 0xD8, 4, 4, 0, 0x3E}), tables, shape),
            "byte 15: patch lies outside its tile");
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F, 0xD8, 4, 3, 0, 0x3E, 0, 0, 0x3E}), tables, shape),
            "byte 18: patch lies outside its tile");
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F, 0xD8, 4, 3, 0, 0x7C}), tables, shape),
            "byte 15: patch is not a finite number");
}

// --- the kernels themselves, without the binding

struct KernelRun {
  std::vector<uint32_t> states;
  std::vector<uint8_t> symbols;
  std::vector<uint16_t> raws;
  RansOutcome outcome;
};

KernelRun run_kernel(Isa isa, const Sample& sample, const std::vector<std::byte>& words, uint32_t seed) {
  const DecodingTables decoding(sample.tables);
  const size_t stride = (sample.shape.chunks + 31) / 32 * 32;
  KernelRun run{std::vector<uint32_t>(32), std::vector<uint8_t>(3 * stride), std::vector<uint16_t>(3 * stride), {}};
  std::mt19937 random(seed);
  alignas(64) uint32_t states[32];
  for (uint32_t& s : states) s = (1u << 16) + static_cast<uint32_t>(random() % 0xFFFF0000u);
  const RansTile tile{decoding.level(0),
                      3,
                      sample.shape.chunks,
                      sample.shape.run_groups,
                      states,
                      words.data(),
                      words.size() / 2,
                      run.symbols.data(),
                      run.raws.data(),
                      stride};
  rans_decode_kernel(isa)(&tile, 1, &run.outcome);
  std::copy(states, states + 32, run.states.begin());
  return run;
}

TEST(RansKernel, EveryInstructionSetGivesTheSameOnAnyWords) {
  std::mt19937 random(21);
  int complete = 0;
  for (uint32_t round = 0; round < 400; ++round) {
    const Sample sample(round % 5, 1 + static_cast<uint32_t>(random() % 300));
    std::vector<std::byte> words(2 * (random() % 1200));
    for (std::byte& b : words) b = static_cast<std::byte>(random());
    const KernelRun reference = run_kernel(Isa::kScalar, sample, words, round);
    complete += !reference.outcome.exhausted;
    for (const Isa isa : available_isas()) {
      const KernelRun run = run_kernel(isa, sample, words, round);
      ASSERT_EQ(run.outcome.exhausted, reference.outcome.exhausted) << name_of(isa);
      if (reference.outcome.exhausted) continue;
      ASSERT_EQ(run.outcome.words_used, reference.outcome.words_used) << name_of(isa);
      ASSERT_EQ(run.states, reference.states) << name_of(isa);
      const size_t stride = run.symbols.size() / 3;
      for (size_t c = 0; c < 3; ++c) {
        for (size_t i = c * stride; i < c * stride + sample.shape.chunks; ++i) {
          ASSERT_EQ(run.symbols[i], reference.symbols[i]) << name_of(isa);
          ASSERT_EQ(run.raws[i], reference.raws[i]) << name_of(isa);
        }
      }
    }
  }
  EXPECT_GT(complete, 100);
  EXPECT_LT(complete, 390);
}

}  // namespace
}  // namespace nwc
