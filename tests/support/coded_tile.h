// Tiles for tests: random tables, contents and contexts, encoded and decoded.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "entropy/encode/tile_encoder.h"
#include "entropy/tile_decoder.h"

namespace nwc::testing {

inline constexpr unsigned kChunkLength = 16;

// Tables, and which of them codes what.
struct TileCoding {
  TableSet tables;
  TileShape shape;
  std::vector<Context> contexts;  // [channels], or [channels][chunks]
  bool shared = true;

  // A table of its own for each channel.
  static TileCoding by_channel(TableSet tables, uint32_t chunks, uint32_t run_groups,
                               unsigned chunk_length = kChunkLength) {
    TileCoding coding{std::move(tables), {}, {}};
    coding.shape = {static_cast<unsigned>(coding.tables.size()), chunks, run_groups, chunk_length};
    for (size_t c = 0; c < coding.tables.size(); ++c) coding.contexts.push_back(static_cast<Context>(c));
    return coding;
  }
  TileContexts view() const { return {contexts.data(), shared ? 0 : size_t{shape.chunks}}; }
  const FrequencyTable& table(unsigned channel, uint32_t chunk) const { return tables[view().at(channel, chunk)]; }
  std::string describe() const {
    return std::to_string(shape.chunks) + " chunks, " + std::to_string(shape.channels) + " channels, runs of " +
           std::to_string(shape.run_groups) + ", " + std::to_string(tables.size()) + " tables, shift " +
           std::to_string(tables[0].shift) + ", " + std::to_string(tables[0].count()) + " symbols" +
           (shared ? "" : ", contexts of their own");
  }
};

// What a tile holds, after decoding or before encoding.
struct TileContent {
  std::vector<int32_t> values;  // [channels][chunks]
  std::vector<Patch> patches;
};

struct TileOutcome {
  Status status;
  std::vector<uint8_t> symbols;  // [channels][chunks]
  std::vector<int32_t> values;
  std::vector<Escape> escapes;
  std::vector<Patch> patches;
};

inline bool same(const std::vector<Patch>& a, const std::vector<Patch>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Patch& x, const Patch& y) { return x.position == y.position && x.value == y.value; });
}
inline bool same(const std::vector<Escape>& a, const std::vector<Escape>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Escape& x, const Escape& y) {
    return x.channel == y.channel && x.chunk == y.chunk && x.value == y.value;
  });
}

// Decodes tiles together. Each lies in memory of exactly its size, so that reading past its end is found by the
// sanitizer.
inline std::vector<TileOutcome> decode_coded(const std::vector<std::vector<std::byte>>& tiles, const TileCoding& coding,
                                             Isa isa) {
  const DecodingTables decoding(coding.tables);
  const TileShape& shape = coding.shape;
  const size_t stride = (shape.chunks + 31) / 32 * 32, size = stride * shape.channels;
  std::vector<TileOutcome> outcomes(tiles.size());
  std::vector<std::vector<uint8_t>> symbols(tiles.size(), std::vector<uint8_t>(size, 0xCC));
  std::vector<std::vector<uint16_t>> raws(tiles.size(), std::vector<uint16_t>(size, 0xCCCC));
  std::vector<std::vector<float>> numbers(tiles.size(), std::vector<float>(size));
  std::vector<TileJob> jobs;
  std::vector<std::vector<std::byte>> copies;
  const std::vector<std::vector<Context>> contexts(tiles.size(), coding.contexts);
  for (const std::vector<std::byte>& tile : tiles) copies.emplace_back(tile.begin(), tile.end());
  for (size_t t = 0; t < tiles.size(); ++t) {
    jobs.push_back({copies[t],
                    {contexts[t].data(), coding.view().stride},
                    symbols[t].data(),
                    raws[t].data(),
                    &outcomes[t].escapes,
                    &outcomes[t].patches,
                    numbers[t].data()});
  }
  size_t failed = 0;
  const Status status = decode_tiles(jobs, decoding, shape, isa, stride, &failed);
  if (!status) {
    outcomes[failed].status = status;
    return outcomes;
  }
  for (size_t t = 0; t < tiles.size(); ++t) {
    TileOutcome& outcome = outcomes[t];
    for (unsigned c = 0; c < shape.channels; ++c) {
      for (uint32_t i = 0; i < shape.chunks; ++i) {
        const FrequencyTable& table = coding.table(c, i);
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

inline FrequencyTable random_table(uint32_t count, uint32_t shift, std::mt19937& random) {
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
inline TileContent random_content(const TileCoding& coding, double escape_share, std::mt19937& random) {
  TileContent content;
  std::uniform_real_distribution<double> uniform;
  for (unsigned c = 0; c < coding.shape.channels; ++c) {
    for (uint32_t i = 0; i < coding.shape.chunks; ++i) {
      const FrequencyTable& table = coding.table(c, i);
      const int32_t width = static_cast<int32_t>(table.count() << table.shift);
      if (uniform(random) >= escape_share) {
        content.values.push_back(table.minimum + static_cast<int32_t>(random() % static_cast<uint32_t>(width)));
        continue;
      }
      const int32_t outside[] = {kMaxSymbolValue, -kMaxSymbolValue, table.minimum - 1, table.minimum + width,
                                 table.minimum - 1000};
      content.values.push_back(outside[random() % 5]);
    }
  }
  const uint32_t weights = coding.shape.chunks * coding.shape.chunk_length;
  content.patches.push_back({0, 1.5f});
  if (weights > 200) content.patches.push_back({150, -65504.0f});
  content.patches.push_back({weights - 1, 0x1p-24f});
  return content;
}

inline std::vector<std::byte> encode_content(const TileCoding& coding, const TileContent& content) {
  return encode_tile(CodingTables(coding.tables), coding.view(), coding.shape, content.values.data(),
                     coding.shape.chunks, content.patches);
}

// A tile of three channels, the last with raw bits.
struct TileSample {
  TileCoding coding;
  std::vector<std::byte> tile;
  explicit TileSample(uint32_t seed, uint32_t chunks = 97) {
    std::mt19937 random(seed);
    TableSet tables;
    for (unsigned c = 0; c < 3; ++c) tables.push_back(random_table(20, c == 2 ? 3 : 0, random));
    coding = TileCoding::by_channel(std::move(tables), chunks, 2);
    tile = encode_content(coding, random_content(coding, 0.03, random));
  }
};

}  // namespace nwc::testing
