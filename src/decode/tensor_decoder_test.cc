// Streams made by hand and damaged streams. Round trips with the encoder are in tensor/tensor_encoder_test.cc.
#include "decode/tensor_decoder.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <random>

#include "base/bytes.h"
#include "base/hash.h"
#include "support/tiny_codec.h"
#include "tensor/tensor_encoder.h"

namespace nwc {
namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes(std::initializer_list<int> values) {
  Bytes out;
  for (const int v : values) out.push_back(static_cast<std::byte>(v));
  return out;
}

// A stream in parts, put together with sound checksums.
struct Parts {
  StreamHeader header;
  Bytes own_tables, scales, levels;
  std::vector<Bytes> tiles;
  std::string name = "w";

  Bytes stream() const {
    StreamHeader h = header;
    h.tensor_id = xxh3(name);
    h.scales_hash = xxh3(scales);
    h.levels_hash = h.has_levels ? xxh3(levels) : 0;
    std::vector<TileIndexEntry> index;
    for (size_t t = 0; t < tiles.size(); ++t)
      index.push_back({static_cast<uint32_t>(tiles[t].size()), tile_checksum(tiles[t], h.tensor_id, t)});
    Bytes out = serialise_stream_head(h, own_tables, index);
    for (const Bytes& tile : tiles) out.insert(out.end(), tile.begin(), tile.end());
    return out;
  }
};

// Two weights per chunk, two latents, the identity with an embedding of 1 and 2 for the two levels; integers 10 and 11.
Codec small_codec() {
  const FrequencyTable table{10, 0, {4000, 95, 1}};
  return Codec(
      {testing::scaled_identity(2, {1.0f, 2.0f}), {2, 2, {table, table, table, table}, {0.5f, 0.0f, 0.0f, 0.25f}}}, 99);
}

// The tile of entropy/tile_decoder_test.cc, worked out by hand there: integers 11 and 300, without its patch.
Bytes small_tile() { return bytes({1, 0, 0, 0, 0xAB, 0xBF, 0x02, 0, 0xFF, 0x0F, 0xD8, 0x04}); }

Parts small_parts() {
  return {.header = {.codec_id = 99,
                     .matrices = 1,
                     .rows = 2,
                     .columns = 1,
                     .tile_chunks = 32,
                     .run_groups = 1,
                     .scale_exponent = -1},
          .own_tables = {},
          .scales = bytes({0x00, 0x40}) /* 2.0 * 2^-1 = 1 */,
          .levels = {},
          .tiles = {small_tile()}};
}

struct Attempt {
  std::optional<Error> error;
  std::vector<float> values;
};

Attempt attempt(const Parts& parts, const Codec& codec, const std::string& name = "w") {
  const Bytes stream = parts.stream();
  const Result<TensorDecoder> decoder = TensorDecoder::open(name, stream, parts.scales, parts.levels, codec);
  if (!decoder) return {decoder.error(), {}};
  Bytes out(decoder->header().elements() * 4);
  if (const Status status = decoder->decode(DType::kF32, out, 1); !status) return {status.error(), {}};
  return {std::nullopt, testing::floats_of(DType::kF32, out)};
}

void expect_refused(const Parts& parts, ErrorCode code, const std::string& text, const Codec& codec = small_codec(),
                    const std::string& name = "w") {
  const Attempt result = attempt(parts, codec, name);
  ASSERT_TRUE(result.error) << text;
  EXPECT_EQ(result.error->code(), code) << text;
  EXPECT_EQ(result.error->to_string(), text);
}

TEST(TensorDecoder, LiteralStream) {
  Parts parts = small_parts();
  EXPECT_EQ(attempt(parts, small_codec()).values, (std::vector<float>{11.5f, 300.0f}));  // 11 + 0.5, 300 + 0

  parts.tiles[0].insert(parts.tiles[0].end(), {std::byte{1}, std::byte{0}, std::byte{0x3E}});  // patch: weight 1 is 1.5
  EXPECT_EQ(attempt(parts, small_codec()).values, (std::vector<float>{11.5f, 1.5f}));

  parts.header.scale_exponent = 1;  // the scale is 4
  EXPECT_EQ(attempt(parts, small_codec()).values, (std::vector<float>{46.0f, 6.0f}));

  parts.header.rows = 1;  // the second weight is padding
  EXPECT_EQ(attempt(parts, small_codec()).values, (std::vector<float>{46.0f}));

  parts.header.has_levels = true;
  parts.levels = bytes({1});
  EXPECT_EQ(attempt(parts, small_codec()).values, (std::vector<float>{88.0f}));  // 11 * 2 * 4
}

TEST(TensorDecoder, OwnTablesReplaceTheCodecs) {
  Parts parts = small_parts();
  parts.header.has_own_tables = true;
  // Level 0: for channel 0 the same frequencies from 1000 on; the codec's for the other three. zigzag(1000) = 2000 =
  // 0xD0 0x0F
  parts.own_tables = bytes({2, 0xD0, 0x0F, 0, 0xA0, 0x1F, 95, 1, 0, 0, 0});
  EXPECT_EQ(attempt(parts, small_codec()).values, (std::vector<float>{1001.5f, 300.0f}));
  parts.own_tables.push_back({});
  expect_refused(parts, ErrorCode::kCorrupt, "own tables of the stream are followed by other bytes");
  parts.own_tables.resize(3);
  expect_refused(parts, ErrorCode::kCorrupt, "own tables of the stream end early");
}

TEST(TensorDecoder, WhatDoesNotBelongTogether) {
  Parts parts = small_parts();
  parts.header.codec_id = 98;
  expect_refused(parts, ErrorCode::kMismatch,
                 "byte 8: stream was made with codec 0000000000000062, but the codec here is 0000000000000063; "
                 "restore the codec.safetensors that belongs to this checkpoint");
  expect_refused(small_parts(), ErrorCode::kMismatch, "byte 16: stream belongs to a tensor of another name",
                 small_codec(), "v");
}

TEST(TensorDecoder, Scales) {
  Parts parts = small_parts();
  for (const size_t size : {0, 1, 3, 4}) {
    parts.scales.resize(size);
    expect_refused(parts, ErrorCode::kCorrupt,
                   "has scales for " + std::to_string(size / 2) + " columns, its stream has 1");
  }
  for (const uint16_t bad : {0x7C00, 0x7E00, 0xC000, 0x8000, 0xFC00}) {
    store_le(parts.scales.data(), bad);
    parts.scales.resize(2);
    expect_refused(parts, ErrorCode::kCorrupt, "scale of column 0 is negative or not finite");
  }
  parts = small_parts();
  parts.header.scale_exponent = 127;  // 2 * 2^127
  expect_refused(parts, ErrorCode::kCorrupt, "scale of column 0 is negative or not finite");
  parts.header.scale_exponent = INT16_MAX;
  expect_refused(parts, ErrorCode::kCorrupt, "scale of column 0 is negative or not finite");
  parts.header.scale_exponent = INT16_MIN;
  EXPECT_EQ(attempt(parts, small_codec()).values, (std::vector<float>{0, 0}));
  parts = small_parts();
  const Bytes stream = parts.stream();
  parts.scales[0] ^= std::byte{1};
  EXPECT_EQ(TensorDecoder::open("w", stream, parts.scales, {}, small_codec()).error().message(),
            "scales do not match the checksum in the stream");
}

TEST(TensorDecoder, Levels) {
  Parts parts = small_parts();
  parts.header.has_levels = true;
  parts.levels = bytes({2});
  expect_refused(parts, ErrorCode::kCorrupt, "bits are set behind the last importance level");
  parts.levels = bytes({});
  expect_refused(parts, ErrorCode::kCorrupt, "importance levels take 0 bytes, which does not fit 1 columns");
  parts.levels = bytes({1});
  const Bytes stream = parts.stream();
  const Bytes other = bytes({0});
  EXPECT_EQ(TensorDecoder::open("w", stream, parts.scales, other, small_codec()).error().message(),
            "importance levels do not match the checksum in the stream");
}

TEST(TensorDecoder, TheNumberOfTilesMustFitTheShape) {
  Parts parts = small_parts();
  parts.tiles.push_back(small_tile());
  expect_refused(parts, ErrorCode::kCorrupt, "byte 80: stream has 2 tiles, its shape asks for 1");
  parts.tiles.clear();
  expect_refused(parts, ErrorCode::kCorrupt, "byte 80: stream has 0 tiles, its shape asks for 1");
  parts = small_parts();
  parts.header.rows = 66;  // 33 chunks
  expect_refused(parts, ErrorCode::kCorrupt, "byte 80: stream has 1 tiles, its shape asks for 2");
  parts = small_parts();
  parts.header.rows = 0;
  expect_refused(parts, ErrorCode::kCorrupt, "byte 80: stream has 1 tiles, its shape asks for 0");
}

// With one scale for all columns, no other tensor's size says how many columns and matrices there are.
TEST(TensorDecoder, OneScaleForMoreThanTheTilesHold) {
  const auto refusal = [](size_t tiles, size_t tile_bytes, uint64_t matrices, uint64_t rows, uint64_t columns) {
    Parts parts = small_parts();
    parts.header.one_scale = true;
    parts.header.dimensions = 3;
    parts.header.matrices = matrices;
    parts.header.rows = rows;
    parts.header.columns = columns;
    parts.header.tile_chunks = 65536;
    parts.tiles.assign(tiles, Bytes(tile_bytes));
    const Attempt result = attempt(parts, small_codec());
    return result.error ? result.error->message() : "";
  };
  constexpr uint64_t kTiles = 100, kChunks = kTiles * 65536;
  rusage before{}, after{};
  ASSERT_EQ(getrusage(RUSAGE_SELF, &before), 0);
  const std::string too_few = "stream has 100 tiles, too few for its shape";
  EXPECT_EQ(refusal(kTiles, 0, kChunks, 1, 1), too_few);
  EXPECT_EQ(refusal(kTiles, 0, kTiles + 1, 1, 1), too_few);
  EXPECT_EQ(refusal(kTiles, 0, 1, 2, kChunks + 1), too_few);
  EXPECT_EQ(refusal(kTiles, 0, 1, 3, kChunks), too_few);  // two stripes
  EXPECT_EQ(refusal(kTiles, 0, 1, 1, kChunks), "tile 0: tile is shorter than its states");
  EXPECT_EQ(refusal(kTiles, 131, 1, 1, kChunks), too_few) << "31 states are for 31 chunks";
  EXPECT_EQ(refusal(kTiles, 131, kTiles, 1, 32), too_few);
  EXPECT_EQ(refusal(kTiles, 132, kTiles, 1, 32), "tile 0: rANS state is below its range");
  EXPECT_EQ(refusal(2, 8, 2, 1, 1), "tile 0: rANS state is below its range");
  ASSERT_EQ(getrusage(RUSAGE_SELF, &after), 0);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 16 << 10) << "KiB";
}

TEST(TensorDecoder, DamagedTilesAreNamedWithTheirOffset) {
  Parts parts = small_parts();
  parts.tiles[0].pop_back();
  expect_refused(parts, ErrorCode::kCorrupt, "byte 115: tile 0: tile ends inside its escapes");  // 96 + 8 + 11
  parts.tiles[0] = bytes({1});
  expect_refused(parts, ErrorCode::kCorrupt, "byte 104: tile 0: tile is shorter than its states");
  parts = small_parts();
  Bytes stream = parts.stream();
  for (size_t at = 104; at < stream.size(); ++at) {
    Bytes bad = stream;
    bad[at] ^= std::byte{0x10};
    const Codec codec = small_codec();
    const Result<TensorDecoder> decoder = TensorDecoder::open("w", bad, parts.scales, {}, codec);
    ASSERT_TRUE(decoder.ok()) << "tiles are not read before they are wanted";
    Bytes out(8);
    for (const Status& status : {decoder->decode(DType::kF32, out, 1), decoder->verify()}) {
      ASSERT_FALSE(status.ok());
      EXPECT_EQ(status.error().to_string(),
                "byte 104: tile 0 does not match its checksum; the file is damaged: fetch it again");
    }
  }
}

TEST(TensorDecoder, WeightsThatAreNotFiniteAreRefused) {
  // Each of eight blocks multiplies by 65504, which is more than binary32 can hold.
  TransformWeights overflow{.inputs = 1,
                            .outputs = 1,
                            .width = 1,
                            .depth = 8,
                            .levels = 1,
                            .in_weight = {65504},
                            .in_bias = {0},
                            .blocks = {},
                            .embedding = {65504},
                            .embedding_sets = 1,
                            .out_weight = {65504},
                            .out_bias = {0}};
  overflow.blocks.assign(8, {{0}, {0}, {0}, {0}});
  const Codec codec({overflow, {1, 1, {{10, 0, {4000, 95, 1}}}, {0.0f}}}, 99);
  Parts parts = small_parts();
  parts.header.rows = 1;
  // State 65536 / 4000 * 4096 + 65536 % 4000 = 16 * 4096 + 1536: one symbol 0, the integer 10.
  parts.tiles[0] = bytes({0, 0, 0, 0, 0x00, 0x06, 0x01, 0});
  expect_refused(parts, ErrorCode::kCorrupt, "byte 104: a tile decodes to weights that are not finite", codec);
  parts.tiles[0].insert(parts.tiles[0].end(), {std::byte{0}, std::byte{0}, std::byte{0x3E}});
  EXPECT_EQ(attempt(parts, codec).values, (std::vector<float>{1.5f})) << "a patch mends it";
}

TEST(TensorDecoder, EmptyTensorsOfManyMatrices) {
  Parts parts = small_parts();
  parts.tiles.clear();
  parts.scales.clear();
  parts.header.dimensions = 3;
  parts.header.matrices = uint64_t{1} << 40;
  parts.header.columns = 0;
  const Attempt result = attempt(parts, small_codec());
  EXPECT_FALSE(result.error);
  EXPECT_TRUE(result.values.empty());
}

// A larger stream from the encoder, changed at random with checksums repaired, so that every layer below them sees
// nonsense. Must end in an error or in finite weights; the sanitizers see the rest.
TEST(TensorDecoder, NonsenseBehindSoundChecksums) {
  std::mt19937 random(1);
  const EncoderCodec encoder_codec = testing::residual_codec();
  const Encoder encoder(encoder_codec, 99);
  const testing::OwnedMatrix m("w", DType::kF32, {50, 40}, testing::random_values(2000, 1, random));
  std::vector<uint8_t> levels(40);
  for (uint8_t& l : levels) l = static_cast<uint8_t>(random() % 2);
  const Result<EncodedTensor> encoded = encode_tensor(m.matrix(), {.levels = levels}, encoder, {.tile_chunks = 32}, 1);
  ASSERT_TRUE(encoded.ok());
  const Result<ParsedStream> parsed = parse_stream(encoded->stream);
  ASSERT_TRUE(parsed.ok());
  int decoded = 0;
  for (int round = 0; round < 2000; ++round) {
    Parts parts{.header = parsed->header,
                .own_tables = {parsed->section.begin(), parsed->section.end()},
                .scales = encoded->scales,
                .levels = encoded->levels,
                .tiles = {}};
    for (const ParsedStream::Tile& tile : parsed->tiles) {
      parts.tiles.emplace_back(encoded->stream.begin() + static_cast<ptrdiff_t>(tile.offset),
                               encoded->stream.begin() + static_cast<ptrdiff_t>(tile.offset + tile.size));
    }
    const auto spoil = [&](Bytes& part) {
      if (part.empty()) return;
      if (random() % 4 == 0) part.resize(random() % part.size());
      if (!part.empty()) part[random() % part.size()] ^= static_cast<std::byte>(1u << random() % 8);
    };
    switch (random() % 6) {
      case 0: spoil(parts.own_tables); break;
      case 1: spoil(parts.scales); break;
      case 2: spoil(parts.levels); break;
      case 3: parts.header.rows = 1 + random() % 64; break;
      case 4: parts.header.run_groups = static_cast<uint16_t>(1 + random() % 4); break;
      default: spoil(parts.tiles[random() % parts.tiles.size()]); break;
    }
    const Attempt result = attempt(parts, encoder.codec());
    if (result.error) continue;
    ++decoded;
    for (const float v : result.values) ASSERT_TRUE(std::isfinite(v));
  }
  EXPECT_GT(decoded, 100);
  EXPECT_LT(decoded, 1900);
}

}  // namespace
}  // namespace nwc
