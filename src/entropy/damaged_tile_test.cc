// Damaged tiles: every check of the binding, and one verdict of all instruction sets.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/bytes.h"
#include "entropy/tile_decoder.h"
#include "support/coded_tile.h"

namespace nwc {
namespace {

using namespace testing;

// Every instruction set must judge alike, and decode alike what it accepts. Returns whether it was accepted.
bool expect_same_verdict(const std::vector<std::byte>& tile, const TileSample& sample) {
  const TileOutcome reference = std::move(decode_coded({tile}, sample.coding, Isa::kScalar)[0]);
  for (const Isa isa : available_isas()) {
    const TileOutcome outcome = std::move(decode_coded({tile}, sample.coding, isa)[0]);
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
    const TileSample sample(11, chunks);
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
    const TileSample sample(static_cast<uint32_t>(round % 7), round % 2 == 0 ? 97 : 64);
    std::vector<std::byte> tile = sample.tile;
    for (int flips = 1 + round % 3; flips > 0; --flips)
      tile[random() % tile.size()] ^= static_cast<std::byte>(1u << random() % 8);
    if (!expect_same_verdict(tile, sample)) ++refused;
  }
  EXPECT_GT(refused, 2500);  // rANS notices nearly every flip by itself: lanes must end where they began
}

TEST(DamagedTile, RandomBytes) {
  std::mt19937 random(13);
  const TileSample sample(14, 64);
  for (int round = 0; round < 500 && !HasFailure(); ++round) {
    std::vector<std::byte> tile(random() % 600);
    for (std::byte& b : tile) b = static_cast<std::byte>(random());
    if (tile.size() >= 4) store_le<uint32_t>(tile.data(), static_cast<uint32_t>(random() % 300));
    expect_same_verdict(tile, sample);
  }
}

TEST(DamagedTile, NamesTheTileThatFailed) {
  const TileSample sample(15);
  std::vector<std::byte> broken = sample.tile;
  broken[0] ^= std::byte{1};  // the number of words
  const DecodingTables decoding(sample.coding.tables);
  const size_t stride = 128;
  std::vector<uint8_t> symbols(3 * stride);
  std::vector<uint16_t> raws(3 * stride);
  std::vector<Escape> escapes;
  std::vector<Patch> patches;
  const auto job = [&](const std::vector<std::byte>& tile) {
    return TileJob{tile, sample.coding.view(), symbols.data(), raws.data(), &escapes, &patches};
  };
  for (size_t bad = 0; bad < 5; ++bad) {
    std::vector<TileJob> jobs(5, job(sample.tile));
    jobs[bad] = job(broken);
    size_t failed = 99;
    EXPECT_FALSE(decode_tiles(jobs, decoding, sample.coding.shape, available_isas().back(), stride, &failed).ok());
    EXPECT_EQ(failed, bad);
  }
}

std::string why(const std::vector<std::byte>& tile, const TileCoding& coding) {
  const TileOutcome outcome = std::move(decode_coded({tile}, coding, Isa::kScalar)[0]);
  return outcome.status ? std::string() : outcome.status.error().to_string();
}

TEST(DamagedTile, EveryCheckHasItsMessage) {
  // The golden tile above: word count, state, word, escape, patch.
  const TileCoding coding = TileCoding::by_channel({{10, 0, {4000, 95, 1}}, {10, 0, {4000, 95, 1}}}, 1, 64, 4);
  const auto tile = [](std::initializer_list<int> values) {
    std::vector<std::byte> out;
    for (const int v : values) out.push_back(static_cast<std::byte>(v));
    return out;
  };
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAB, 0xBF, 2}), coding), "byte 0: tile is shorter than its states");
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF}), coding), "byte 0: tile declares more words than it has");
  EXPECT_EQ(why(tile({0xFF, 0xFF, 0xFF, 0xFF, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F}), coding),
            "byte 0: tile declares more words than it has");
  EXPECT_EQ(why(tile({0, 0, 0, 0, 0xFF, 0xFF, 0, 0}), coding), "byte 4: rANS state is below its range");
  EXPECT_EQ(why(tile({0, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F}), coding), "byte 8: tile needs more words than it has");
  EXPECT_EQ(why(tile({2, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F, 0xD8, 4}), coding),
            "byte 10: tile has more words than it needs");
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAC, 0xBF, 2, 0, 0xFF, 0x0F, 0xD8, 4}), coding),
            "byte 8: rANS lane does not end where it began");
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F}), coding), "byte 10: tile ends inside its escapes");
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F, 0xD8}), coding),
            "byte 11: tile ends inside its escapes");
  // zigzag(2^30 + 1) = 2^31 + 2; the bound itself passes.
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F, 0x80, 0x80, 0x80, 0x80, 8}), coding), "");
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F, 0x82, 0x80, 0x80, 0x80, 8}), coding),
            "byte 15: escape is out of range");
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F, 0xD8, 4, 3, 0}), coding),
            "byte 13: tile ends inside a patch");
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F, 0xD8, 4, 4, 0, 0x3E}), coding),
            "byte 15: patch lies outside its tile");
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F, 0xD8, 4, 3, 0, 0x3E, 0, 0, 0x3E}), coding),
            "byte 18: patch lies outside its tile");
  EXPECT_EQ(why(tile({1, 0, 0, 0, 0xAB, 0xBF, 2, 0, 0xFF, 0x0F, 0xD8, 4, 3, 0, 0x7C}), coding),
            "byte 15: patch is not a finite number");
}

}  // namespace
}  // namespace nwc
