// Tiles whose contexts follow a trellis: encoder against decoder, and every kernel against the reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "codec/encode/trellis_codes.h"
#include "support/coded_tile.h"

namespace nwc {
namespace {

using testing::same;

constexpr unsigned kClasses = 3;

struct Sample {
  Trellis trellis;
  TableSet tables;  // of even integers' halves by class, then of odd ones'
  TileShape shape;
  std::vector<Context> classes;  // [channels][chunks]
  std::vector<int32_t> values;   // the integers that latents are
  std::vector<Patch> patches;
  uint64_t escapes = 0;

  TileContexts contexts() const { return {classes.data(), shape.chunks, &trellis, kClasses}; }
};

FrequencyTable even_table(uint32_t shift, std::mt19937& random) {
  FrequencyTable table = testing::random_table(20, shift, random);
  table.minimum &= ~1;
  return table;
}

// Paths at random, a share of whose steps are spelled out.
Sample sample_of(unsigned states, uint32_t chunks, uint32_t shift, double escapes, uint32_t seed) {
  std::mt19937 random(seed);
  Sample s{.trellis = make_trellis(states), .tables = {}, .shape = {8, chunks, 1, 8}};
  for (unsigned t = 0; t < 2 * kClasses; ++t) s.tables.push_back(even_table(t % kClasses == 1 ? shift : 0, random));
  for (size_t i = 0; i < size_t{8} * chunks; ++i) s.classes.push_back(static_cast<Context>(random() % kClasses));
  s.values.resize(s.classes.size());
  std::uniform_real_distribution<double> uniform;
  for (uint32_t i = 0; i < chunks; ++i) {
    unsigned state = 0;
    for (unsigned c = 0; c < s.shape.channels; ++c) {
      const size_t at = size_t{c} * chunks + i;
      const unsigned odd = Trellis::union_of(state);
      const SymbolMap map = s.tables[s.classes[at] + odd * kClasses].symbols();
      int32_t half = map.minimum + static_cast<int32_t>(random() % (map.count << map.shift));
      if (uniform(random) < escapes) {
        const int32_t outside[] = {map.minimum - 1, map.minimum - 2, 100001, -100000, kMaxSymbolValue / 2};
        half = outside[random() % 5];
        ++s.escapes;
        state = s.trellis.next[state][0];
      } else {
        state = s.trellis.next[state][half & 1];
      }
      s.values[at] = 2 * half + static_cast<int32_t>(odd);
    }
  }
  s.patches = {{0, 1.5f}, {chunks * 8 - 1, -2.0f}};
  return s;
}

std::vector<std::byte> encode(const Sample& s) {
  return encode_tile(CodingTables(s.tables), s.contexts(), s.shape, s.values.data(), s.shape.chunks, s.patches);
}

struct Decoded {
  Status status;
  std::vector<int32_t> values;
  std::vector<Patch> patches;
};

Decoded decode(const Sample& s, std::span<const std::byte> tile, Isa isa) {
  const DecodingTables tables(s.tables);
  const size_t stride = (s.shape.chunks + 31) / 32 * 32, size = stride * s.shape.channels;
  std::vector<uint8_t> symbols(size, 0xCC);
  std::vector<uint16_t> raws(size, 0xCCCC);
  std::vector<Context> resolved(size, 0xCC);
  std::vector<float> numbers(size);
  std::vector<Escape> escapes;
  const std::vector<std::byte> copy(tile.begin(), tile.end());  // of exactly its size, for the sanitizer
  Decoded decoded;
  TileJob job{copy,     s.contexts(),     symbols.data(), raws.data(),
              &escapes, &decoded.patches, numbers.data(), resolved.data()};
  decoded.status = decode_tiles({&job, 1}, tables, s.shape, isa, stride);
  if (!decoded.status) return decoded;
  for (unsigned c = 0; c < s.shape.channels; ++c) {
    for (uint32_t i = 0; i < s.shape.chunks; ++i) {
      const size_t at = c * stride + i;
      const SymbolMap& map = tables.symbols(resolved[at]);
      EXPECT_EQ(resolved[at] % kClasses, s.classes[size_t{c} * s.shape.chunks + i]);
      decoded.values.push_back(2 * map.value_of(symbols[at], map.shift == 0 ? 0 : raws[at]) +
                               (resolved[at] >= kClasses));
    }
  }
  for (const Escape& escape : escapes) {
    const bool odd = resolved[escape.channel * stride + escape.chunk] >= kClasses;
    decoded.values[size_t{escape.channel} * s.shape.chunks + escape.chunk] = 2 * escape.value + (odd ? 1 : 0);
  }
  for (unsigned c = 0; c < s.shape.channels; ++c) {
    for (uint32_t i = 0; i < s.shape.chunks; ++i) {
      EXPECT_EQ(numbers[c * stride + i], static_cast<float>(decoded.values[size_t{c} * s.shape.chunks + i]));
    }
  }
  return decoded;
}

TEST(TrellisTile, ComesBackAsItWas) {
  uint32_t seed = 0;
  for (const unsigned states : {4u, 8u, 64u}) {
    for (const uint32_t chunks : {1u, 31u, 32u, 33u, 200u}) {
      for (const uint32_t shift : {0u, 3u}) {
        const Sample s = sample_of(states, chunks, shift, 0.03, ++seed);
        const std::vector<std::byte> tile = encode(s);
        for (const Isa isa : available_isas()) {
          const Decoded decoded = decode(s, tile, isa);
          ASSERT_TRUE(decoded.status) << decoded.status.error().to_string();
          EXPECT_EQ(decoded.values, s.values) << states << " states, " << chunks << " chunks, " << name_of(isa);
          EXPECT_TRUE(same(decoded.patches, s.patches));
        }
      }
    }
  }
}

TEST(TrellisTile, SpellsOutWhatTablesLack) {
  const Sample s = sample_of(8, 100, 2, 0.5, 99);
  EXPECT_GT(s.escapes, 300u);
  for (const Isa isa : available_isas()) EXPECT_EQ(decode(s, encode(s), isa).values, s.values) << name_of(isa);
}

// Damaged words: kernels need not agree on what they make of them, but on whether it is a tile.
TEST(TrellisTile, KernelsAgreeOnDamagedWords) {
  std::mt19937 random(5);
  int refused = 0, taken = 0;
  for (uint32_t round = 0; round < 300; ++round) {
    const Sample s = sample_of(8, 1 + static_cast<uint32_t>(random() % 100), round % 2 == 0 ? 0 : 3, 0.02, round);
    std::vector<std::byte> tile = encode(s);
    tile[random() % tile.size()] ^= static_cast<std::byte>(1u << random() % 8);
    const Decoded reference = decode(s, tile, Isa::kScalar);
    (reference.status ? taken : refused) += 1;
    for (const Isa isa : available_isas()) {
      const Decoded decoded = decode(s, tile, isa);
      ASSERT_EQ(decoded.status.ok(), reference.status.ok()) << name_of(isa);
      if (!reference.status) continue;
      EXPECT_EQ(decoded.values, reference.values) << name_of(isa);
    }
  }
  EXPECT_GT(refused, 200);
  EXPECT_GT(taken, 3);
}

}  // namespace
}  // namespace nwc
