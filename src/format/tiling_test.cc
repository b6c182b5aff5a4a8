#include "format/tiling.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <tuple>

namespace nwc {
namespace {

TEST(Tiling, LiteralGroupsAndTiles) {
  // Two matrices of 33 rows (3 stripes of 16) and 4 columns; levels 0 2 0 2 and 1 1 1 1; tiles of 32 chunks would hold
  // each group.
  const uint8_t levels[] = {0, 2, 0, 2, 1, 1, 1, 1};
  const Tiling tiling(2, 33, 4, 16, 32, levels);
  EXPECT_EQ(tiling.stripes(), 3u);
  EXPECT_EQ(tiling.tile_count(), 3u);
  ASSERT_EQ(tiling.groups().size(), 3u);
  const auto expect_group = [&](size_t i, uint64_t matrix, unsigned level, std::vector<uint32_t> columns,
                                uint64_t chunks, uint64_t first_tile) {
    const LevelGroup& group = tiling.groups()[i];
    EXPECT_EQ(group.matrix, matrix);
    EXPECT_EQ(group.level, level);
    EXPECT_EQ(group.columns, columns);
    EXPECT_EQ(group.chunks, chunks);
    EXPECT_EQ(group.first_tile, first_tile);
  };
  expect_group(0, 0, 0, {0, 2}, 6, 0);
  expect_group(1, 0, 2, {1, 3}, 6, 1);
  expect_group(2, 1, 1, {0, 1, 2, 3}, 12, 2);
}

TEST(Tiling, LiteralTileSpans) {
  const Tiling tiling(1, 160, 10, 16, 32, {});  // 10 stripes, 100 chunks
  ASSERT_EQ(tiling.tile_count(), 4u);
  const uint32_t sizes[] = {32, 32, 32, 4};
  for (uint64_t t = 0; t < 4; ++t) {
    EXPECT_EQ(tiling.tile(t).group, 0u);
    EXPECT_EQ(tiling.tile(t).first_chunk, 32 * t);
    EXPECT_EQ(tiling.tile(t).chunks, sizes[t]);
  }
}

TEST(Tiling, NothingWithoutElements) {
  for (const auto& [matrices, rows, columns] : {std::tuple{0u, 5u, 5u}, {5u, 0u, 5u}, {5u, 5u, 0u}}) {
    const Tiling tiling(matrices, rows, columns, 16, 32, {});
    EXPECT_EQ(tiling.tile_count(), 0u);
    EXPECT_TRUE(tiling.groups().empty());
  }
}

TEST(Tiling, TilesCoverEveryChunkExactlyOnceInTheOrderOfTheFormat) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    const uint64_t matrices = 1 + random() % 4, rows = 1 + random() % 100, columns = 1 + random() % 150;
    const unsigned chunk_length = 1 + random() % 20;
    const uint32_t tile_chunks = 32 * (1 + static_cast<uint32_t>(random() % 4));
    const unsigned level_count = 1 + random() % 8;
    std::vector<uint8_t> levels;
    if (round % 3 != 0) {
      for (uint64_t i = 0; i < matrices * columns; ++i) levels.push_back(static_cast<uint8_t>(random() % level_count));
    }
    const Tiling tiling(matrices, rows, columns, chunk_length, tile_chunks, levels);
    const uint64_t stripes = (rows + chunk_length - 1) / chunk_length;

    // The order of the format, from the page: matrices, levels, stripes, columns.
    std::vector<std::tuple<uint64_t, unsigned, uint64_t, uint64_t>> wanted, found;
    for (uint64_t m = 0; m < matrices; ++m) {
      for (unsigned level = 0; level < 8; ++level) {
        for (uint64_t s = 0; s < stripes; ++s) {
          for (uint64_t c = 0; c < columns; ++c) {
            if ((levels.empty() ? 0 : levels[m * columns + c]) == level) wanted.emplace_back(m, level, s, c);
          }
        }
      }
    }
    for (uint64_t t = 0; t < tiling.tile_count(); ++t) {
      const TileSpan span = tiling.tile(t);
      ASSERT_LT(span.group, tiling.groups().size());
      const LevelGroup& group = tiling.groups()[span.group];
      ASSERT_GT(span.chunks, 0u);
      ASSERT_LE(span.chunks, tile_chunks);
      const bool last_of_group = span.first_chunk + span.chunks == group.chunks;
      ASSERT_TRUE(last_of_group || span.chunks == tile_chunks);
      ASSERT_EQ(span.first_chunk, (t - group.first_tile) * tile_chunks);
      for (uint64_t i = span.first_chunk; i < span.first_chunk + span.chunks; ++i) {
        found.emplace_back(group.matrix, group.level, i / group.columns.size(),
                           group.columns[i % group.columns.size()]);
      }
    }
    ASSERT_EQ(found, wanted) << matrices << " x " << rows << " x " << columns;
  }
}

std::vector<std::byte> bytes(std::initializer_list<int> values) {
  std::vector<std::byte> out;
  for (const int v : values) out.push_back(static_cast<std::byte>(v));
  return out;
}

TEST(PackedLevels, BitsForEveryNumberOfLevels) {
  const unsigned expected[] = {1, 1, 2, 2, 4, 4, 4, 4};
  for (unsigned k = 1; k <= 8; ++k) EXPECT_EQ(packed_level_bits(k), expected[k - 1]) << k;
  EXPECT_EQ(packed_level_bytes(0, 4), 0u);
  EXPECT_EQ(packed_level_bytes(4, 4), 1u);
  EXPECT_EQ(packed_level_bytes(5, 4), 2u);
  EXPECT_EQ(packed_level_bytes(9, 2), 2u);
  EXPECT_EQ(packed_level_bytes(3, 8), 2u);
}

TEST(PackedLevels, LiteralBytes) {
  const uint8_t two[] = {1, 0, 0, 1, 1, 0, 0, 0, 1};
  EXPECT_EQ(pack_levels(two, 2), bytes({0b00011001, 1}));
  const uint8_t four[] = {1, 2, 3, 0, 2};
  EXPECT_EQ(pack_levels(four, 4), bytes({0b00111001, 2}));
  const uint8_t eight[] = {7, 1, 5};
  EXPECT_EQ(pack_levels(eight, 8), bytes({0x17, 0x05}));
  EXPECT_TRUE(pack_levels({}, 4).empty());
}

TEST(PackedLevels, RoundTrip) {
  std::mt19937 random(2);
  for (unsigned k = 1; k <= 8; ++k) {
    for (const size_t n : {0, 1, 7, 8, 9, 100}) {
      std::vector<uint8_t> values(n);
      for (uint8_t& v : values) v = static_cast<uint8_t>(random() % k);
      const Result<std::vector<uint8_t>> back = unpack_levels(pack_levels(values, k), n, k);
      ASSERT_TRUE(back.ok()) << back.error().to_string();
      EXPECT_EQ(*back, values);
    }
  }
}

TEST(PackedLevels, DamageIsRefused) {
  const auto why = [](std::vector<std::byte> packed, uint64_t columns, unsigned levels) {
    const Result<std::vector<uint8_t>> result = unpack_levels(packed, columns, levels);
    if (result.ok()) return std::string();
    EXPECT_EQ(result.error().code(), ErrorCode::kCorrupt);
    return result.error().message();
  };
  EXPECT_EQ(why(bytes({0b00000010}), 2, 3), "");
  EXPECT_EQ(why(bytes({0b00001100}), 2, 3), "column 1 has level 3, the codec has 3");
  EXPECT_EQ(why(bytes({1}), 1, 1), "column 0 has level 1, the codec has 1");
  EXPECT_EQ(why(bytes({0x08}), 1, 8), "column 0 has level 8, the codec has 8");
  EXPECT_EQ(why(bytes({0b00010000}), 2, 4), "bits are set behind the last importance level");
  EXPECT_EQ(why(bytes({0, 0}), 4, 4), "importance levels take 2 bytes, which does not fit 4 columns");
  EXPECT_EQ(why(bytes({0}), 5, 4), "importance levels take 1 bytes, which does not fit 5 columns");
  EXPECT_EQ(why({}, ~uint64_t{0}, 4),
            "importance levels take 0 bytes, which does not fit 18446744073709551615 columns");
  EXPECT_EQ(why(bytes({0}), (uint64_t{1} << 63) + 4, 4),
            "importance levels take 1 bytes, which does not fit 9223372036854775812 columns");
}

}  // namespace
}  // namespace nwc
