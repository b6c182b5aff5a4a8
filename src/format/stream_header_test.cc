#include "format/stream_header.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "fuzz/stream_repair.h"
#include "nwcodec/version.h"

namespace nwc {
namespace {

using Bytes = std::vector<std::byte>;

// The header's checksum, made from the page: XXH3 of the bytes before it, followed by own tables and tile index.
void repair(Bytes& stream) {
  const size_t head = 96 + load_le<uint32_t>(stream.data() + 84) + 8 * load_le<uint32_t>(stream.data() + 80);
  Bytes covered(stream.begin(), stream.begin() + 88);
  covered.insert(covered.end(), stream.begin() + 96,
                 stream.begin() + static_cast<ptrdiff_t>(std::min(head, stream.size())));
  store_le(stream.data() + 88, xxh3(covered));
}

StreamHeader sample_header() {
  return {.codec_id = 0x1122334455667788,
          .tensor_id = 0x99AABBCCDDEEFF00,
          .scales_hash = 3,
          .levels_hash = 4,
          .matrices = 2,
          .rows = 40,
          .columns = 100,
          .tile_chunks = 64,
          .run_groups = 7,
          .scale_exponent = -9,
          .dtype = DType::kBF16,
          .dimensions = 3,
          .transposed = true,
          .has_levels = true,
          .has_own_tables = true};
}

// A stream of two tiles of 5 and 3 bytes and own tables of 2.
Bytes sample_stream() {
  const std::byte own[] = {std::byte{0xAA}, std::byte{0xBB}};
  const TileIndexEntry tiles[] = {{5, 0x01020304}, {3, 0x05060708}};
  Bytes stream = serialise_stream_head(sample_header(), own, tiles);
  stream.resize(stream.size() + 8, std::byte{0x55});
  return stream;
}

TEST(StreamHeader, LiteralLayout) {
  const Bytes stream = sample_stream();
  ASSERT_EQ(stream.size(), 96u + 2 + 16 + 8);
  const uint8_t fixed[96] = {
      'N',  'W',  'C',  'S',  1,    0,    96,   0,    0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,  //
      0x00, 0xFF, 0xEE, 0xDD, 0xCC, 0xBB, 0xAA, 0x99, 3,    0,    0,    0,    0,    0,    0,    0,     //
      4,    0,    0,    0,    0,    0,    0,    0,    2,    0,    0,    0,    0,    0,    0,    0,     //
      40,   0,    0,    0,    0,    0,    0,    0,    100,  0,    0,    0,    0,    0,    0,    0,     //
      64,   0,    0,    0,    7,    0,    0xF7, 0xFF, 3,    3,    7,    0,    0,    0,    0,    0,     //
      2,    0,    0,    0,    2,    0,    0,    0};
  for (size_t i = 0; i < 88; ++i) EXPECT_EQ(static_cast<unsigned>(stream[i]), fixed[i]) << i;
  const uint8_t after[] = {0xAA, 0xBB, 5, 0, 0, 0, 4, 3, 2, 1, 3, 0, 0, 0, 8, 7, 6, 5};
  for (size_t i = 0; i < sizeof(after); ++i) EXPECT_EQ(static_cast<unsigned>(stream[96 + i]), after[i]) << i;
  Bytes repaired = stream;
  repair(repaired);
  EXPECT_EQ(repaired, stream) << "the checksum covers what the page says";
}

TEST(StreamHeader, RoundTrip) {
  const Bytes stream = sample_stream();
  const Result<ParsedStream> parsed = parse_stream(stream);
  ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
  const StreamHeader& h = parsed->header;
  EXPECT_EQ(h.codec_id, 0x1122334455667788u);
  EXPECT_EQ(h.tensor_id, 0x99AABBCCDDEEFF00u);
  EXPECT_EQ(h.scales_hash, 3u);
  EXPECT_EQ(h.levels_hash, 4u);
  EXPECT_EQ(h.matrices, 2u);
  EXPECT_EQ(h.rows, 40u);
  EXPECT_EQ(h.columns, 100u);
  EXPECT_EQ(h.tile_chunks, 64u);
  EXPECT_EQ(h.run_groups, 7u);
  EXPECT_EQ(h.scale_exponent, -9);
  EXPECT_EQ(h.dtype, DType::kBF16);
  EXPECT_EQ(h.dimensions, 3u);
  EXPECT_TRUE(h.transposed && h.has_levels && h.has_own_tables);
  EXPECT_EQ(h.elements(), 8000u);
  EXPECT_EQ(h.shape(), (std::vector<uint64_t>{2, 100, 40}));
  EXPECT_EQ(parsed->section.data(), stream.data() + 96);
  EXPECT_EQ(parsed->section.size(), 2u);
  ASSERT_EQ(parsed->tiles.size(), 2u);
  EXPECT_EQ(parsed->tiles[0].offset, 114u);
  EXPECT_EQ(parsed->tiles[0].size, 5u);
  EXPECT_EQ(parsed->tiles[0].checksum, 0x01020304u);
  EXPECT_EQ(parsed->tiles[1].offset, 119u);
  EXPECT_EQ(parsed->tiles[1].size, 3u);
}

TEST(StreamHeader, ShapesOfTheOriginal) {
  StreamHeader h{.matrices = 1, .rows = 3, .columns = 5};
  EXPECT_EQ(h.shape(), (std::vector<uint64_t>{3, 5}));
  h.transposed = true;
  EXPECT_EQ(h.shape(), (std::vector<uint64_t>{5, 3}));
  h.dimensions = 3;
  h.matrices = 7;
  EXPECT_EQ(h.shape(), (std::vector<uint64_t>{7, 5, 3}));
  h.transposed = false;
  EXPECT_EQ(h.shape(), (std::vector<uint64_t>{7, 3, 5}));
}

TEST(StreamHeader, AStreamWithoutTiles) {
  const Bytes stream = serialise_stream_head({}, {}, {});
  EXPECT_EQ(stream.size(), 96u);
  const Result<ParsedStream> parsed = parse_stream(stream);
  ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
  EXPECT_EQ(parsed->tiles.size(), 0u);
  EXPECT_EQ(parsed->header.elements(), 0u);
}

TEST(StreamHeader, EveryTruncationIsRefused) {
  const Bytes stream = sample_stream();
  for (size_t size = 0; size < stream.size(); ++size) {
    const Bytes shorter(stream.begin(), stream.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_FALSE(parse_stream(shorter).ok()) << size;
  }
  Bytes longer = stream;
  longer.push_back({});
  EXPECT_FALSE(parse_stream(longer).ok());
}

TEST(StreamHeader, EveryFlippedBitOfTheHeadIsRefused) {
  const Bytes stream = sample_stream();
  for (size_t bit = 0; bit < 114 * 8; ++bit) {
    Bytes damaged = stream;
    damaged[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    EXPECT_FALSE(parse_stream(damaged).ok()) << "bit " << bit;
  }
}

// Writes a number over the header, repairs the checksum, and gives the error.
template <class T>
std::string refusal(size_t at, T value, ErrorCode code = ErrorCode::kCorrupt, Bytes stream = sample_stream()) {
  store_le(stream.data() + at, value);
  repair(stream);
  const Result<ParsedStream> parsed = parse_stream(stream);
  if (parsed.ok()) return "";
  EXPECT_EQ(parsed.error().code(), code) << parsed.error().to_string();
  return parsed.error().to_string();
}

TEST(StreamHeader, EveryBound) {
  const std::string newest = std::to_string(kFormatVersion);
  EXPECT_EQ(refusal<uint8_t>(0, 'n'), "byte 0: stream does not begin with NWCS");
  EXPECT_EQ(
      refusal<uint16_t>(4, 0, ErrorCode::kUnsupported),
      "byte 4: stream has format version 0, this program reads versions 1 to " + newest + "; use a newer nwcodec");
  EXPECT_EQ(refusal<uint16_t>(4, kFormatVersion + 1, ErrorCode::kUnsupported),
            "byte 4: stream has format version " + std::to_string(kFormatVersion + 1) +
                ", this program reads versions 1 to " + newest + "; use a newer nwcodec");
  EXPECT_EQ(refusal<uint16_t>(6, 97), "byte 6: stream header has an impossible size");
  const std::string elements = "byte 40: stream declares more elements than any stream may hold";
  EXPECT_EQ(refusal<uint64_t>(40, uint64_t{1} << 29, ErrorCode::kLimit), elements);
  EXPECT_EQ(refusal<uint64_t>(40, ~uint64_t{0}, ErrorCode::kLimit), elements);
  EXPECT_EQ(refusal<uint64_t>(48, uint64_t{1} << 60, ErrorCode::kLimit), elements);
  EXPECT_EQ(refusal<uint64_t>(56, ~uint64_t{0}, ErrorCode::kLimit), elements);
  EXPECT_EQ(refusal<uint32_t>(64, 0), "byte 64: stream declares tiles of 0 chunks");
  EXPECT_EQ(refusal<uint32_t>(64, 33), "byte 64: stream declares tiles of 33 chunks");
  EXPECT_EQ(refusal<uint32_t>(64, 65568), "byte 64: stream declares tiles of 65568 chunks");
  EXPECT_EQ(refusal<uint32_t>(64, 65536), "");
  EXPECT_EQ(refusal<uint32_t>(64, 32), "");
  EXPECT_EQ(refusal<uint16_t>(68, 0), "byte 68: stream declares runs of 0 groups");
  EXPECT_EQ(refusal<uint16_t>(68, 2049), "byte 68: stream declares runs of 2049 groups");
  EXPECT_EQ(refusal<uint16_t>(68, 2048), "");
  EXPECT_EQ(refusal<uint8_t>(72, 0), "byte 72: stream declares dtype number 0") << "F64";
  EXPECT_EQ(refusal<uint8_t>(72, 4), "byte 72: stream declares dtype number 4");
  EXPECT_EQ(refusal<uint8_t>(72, 255), "byte 72: stream declares dtype number 255");
  EXPECT_EQ(refusal<uint8_t>(72, 1), "");
  EXPECT_EQ(refusal<uint8_t>(73, 1), "byte 73: stream declares 1 dimensions");
  EXPECT_EQ(refusal<uint8_t>(73, 4), "byte 73: stream declares 4 dimensions");
  EXPECT_EQ(refusal<uint8_t>(73, 2), "byte 40: a 2-D stream declares several matrices");
  const std::string feature = "byte 74: stream uses a feature that format version 1 does not have";
  EXPECT_EQ(refusal<uint16_t>(74, 39, ErrorCode::kUnsupported), feature);
  EXPECT_EQ(refusal<uint16_t>(74, 0x8007, ErrorCode::kUnsupported), feature);
  EXPECT_EQ(refusal<uint8_t>(76, 1, ErrorCode::kUnsupported), feature);
  EXPECT_EQ(refusal<uint8_t>(77, 1, ErrorCode::kUnsupported), feature);
  EXPECT_EQ(refusal<uint16_t>(78, 0x100, ErrorCode::kUnsupported), feature);
  EXPECT_EQ(refusal<uint16_t>(74, 3), "byte 84: stream has own tables without their flag");
}

TEST(StreamHeader, LineScalesAreOfVersion2) {
  StreamHeader header = sample_header();
  header.context_rule = ContextRule::kScaleClasses;
  header.one_scale = true;
  header.has_own_tables = false;
  const std::byte lines[] = {std::byte{0xAA}, std::byte{0xBB}};
  const Bytes stream = serialise_stream_head(header, lines, {});
  EXPECT_EQ(stream[4], std::byte{2});
  EXPECT_EQ(stream[76], std::byte{1});
  const Result<ParsedStream> parsed = parse_stream(stream);
  ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
  EXPECT_EQ(parsed->section.size(), 2u);
  EXPECT_EQ(refusal<uint16_t>(4, 1, ErrorCode::kUnsupported, stream),
            "byte 74: stream uses a feature that format version 1 does not have");
  EXPECT_EQ(refusal<uint8_t>(76, 2, ErrorCode::kUnsupported, stream),
            "byte 74: stream uses a feature that format version 2 does not have");
  const std::string beside = "byte 74: stream has line scales, but not one scale, or row factors too";
  EXPECT_EQ(refusal<uint16_t>(74, kStreamTransposed | kStreamLevels, ErrorCode::kCorrupt, stream), beside);
  EXPECT_EQ(refusal<uint16_t>(74, kStreamLevels | kStreamOneScale | kStreamRowFactors, ErrorCode::kCorrupt, stream),
            beside);
  EXPECT_EQ(refusal<uint64_t>(48, uint64_t{1} << 40, ErrorCode::kLimit, stream),
            "byte 40: stream declares more elements than any stream may hold");
}

TEST(StreamHeader, TrellisesAreOfVersion3) {
  StreamHeader header = sample_header();
  header.context_rule = ContextRule::kTrellis;
  header.one_scale = true;
  header.has_own_tables = header.has_levels = false;
  header.levels_hash = 0;
  header.run_groups = 1;
  const Bytes stream = serialise_stream_head(header, {}, {});
  EXPECT_EQ(stream[4], std::byte{3});
  EXPECT_EQ(stream[76], std::byte{2});
  const Result<ParsedStream> parsed = parse_stream(stream);
  ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
  EXPECT_EQ(refusal<uint16_t>(4, 2, ErrorCode::kUnsupported, stream),
            "byte 74: stream uses a feature that format version 2 does not have");
  const std::string beside = "byte 74: stream has a trellis, and levels or own tables too";
  EXPECT_EQ(refusal<uint16_t>(74, kStreamOneScale | kStreamLevels, ErrorCode::kCorrupt, stream), beside);
  EXPECT_EQ(refusal<uint16_t>(74, kStreamOneScale | kStreamOwnTables, ErrorCode::kCorrupt, stream), beside);
  EXPECT_EQ(refusal<uint16_t>(68, 2, ErrorCode::kCorrupt, stream),
            "byte 68: stream has a trellis, and runs of more than one group");
}

TEST(StreamHeader, CorrectionsOfLineScalesAreOfVersion4) {
  StreamHeader header = sample_header();
  header.context_rule = ContextRule::kScaleClasses;
  header.one_scale = true;
  header.correction_bits = 3;
  const Bytes stream = serialise_stream_head(header, {}, {});
  EXPECT_EQ(stream[4], std::byte{4});
  EXPECT_EQ(stream[77], std::byte{3});
  const Result<ParsedStream> parsed = parse_stream(stream);
  ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
  EXPECT_EQ(parsed->header.correction_bits, 3);
  EXPECT_EQ(parsed->header.version(), 4u);
  EXPECT_EQ(refusal<uint16_t>(4, 3, ErrorCode::kUnsupported, stream),
            "byte 74: stream uses a feature that format version 3 does not have");
  EXPECT_EQ(refusal<uint8_t>(77, 4, ErrorCode::kUnsupported, stream),
            "byte 74: stream uses a feature that format version 4 does not have");
  EXPECT_EQ(refusal<uint16_t>(78, 1, ErrorCode::kUnsupported, stream),
            "byte 74: stream uses a feature that format version 4 does not have");
  EXPECT_EQ(refusal<uint8_t>(76, 0, ErrorCode::kCorrupt, stream),
            "byte 77: stream has corrections of line scales, but no line scales");
}

TEST(StreamHeader, SizesAgainstTheRealSize) {
  Bytes stream = sample_stream();
  const auto why = [&](size_t at, uint32_t value) {
    Bytes bad = stream;
    store_le(bad.data() + at, value);
    return parse_stream(bad).error().to_string();  // before the checksum, or there is none to compare
  };
  EXPECT_EQ(why(84, 27), "byte 84: line scales and own tables reach past the end of the stream");
  EXPECT_EQ(why(84, 0xFFFFFFFF), "byte 84: line scales and own tables reach past the end of the stream");
  EXPECT_EQ(why(80, 4), "byte 80: tile index reaches past the end of the stream");
  EXPECT_EQ(why(80, 0xFFFFFFFF), "byte 80: tile index reaches past the end of the stream");
  EXPECT_EQ(why(88, 0), "byte 88: stream header does not match its checksum; the file is damaged: fetch it again");
  EXPECT_EQ(refusal<uint32_t>(98, 4), "byte 121: stream goes on after its last tile");
  EXPECT_EQ(refusal<uint32_t>(98, 6), "byte 120: tile 1 reaches past the end of the stream");
  EXPECT_EQ(refusal<uint32_t>(106, 0xFFFFFFFF), "byte 119: tile 1 reaches past the end of the stream");
}

// Without elements nothing else bounds these.
TEST(StreamHeader, EmptyTensorsHaveBoundsToo) {
  const auto why = [](uint64_t matrices, uint64_t rows, uint64_t columns) {
    const Bytes stream =
        serialise_stream_head({.matrices = matrices, .rows = rows, .columns = columns, .dimensions = 3}, {}, {});
    const Result<ParsedStream> parsed = parse_stream(stream);
    return parsed.ok() ? std::string() : parsed.error().to_string();
  };
  EXPECT_EQ(why(5, 0, 7), "");
  EXPECT_EQ(why(0, 5, 7), "");
  EXPECT_EQ(why(5, 7, 0), "");
  EXPECT_EQ(why(uint64_t{1} << 33, 0, uint64_t{1} << 31),
            "byte 40: stream declares more elements than any stream may hold");
  EXPECT_EQ(why(0, 0, uint64_t{1} << 32), "byte 56: stream declares more than 2^32 columns");
}

TEST(StreamHeader, DifferencesAreOfVersion5AndNameTheirBase) {
  StreamHeader header = sample_header();
  header.base = 0x0123456789ABCDEF;
  const Bytes section(3, std::byte{0x5A}), stream = serialise_stream_head(header, section, {});
  EXPECT_EQ(stream[4], std::byte{5});
  EXPECT_EQ(load_le<uint32_t>(stream.data() + 84), 11u);
  EXPECT_EQ(load_le<uint64_t>(stream.data() + 96), 0x0123456789ABCDEFu);
  const Result<ParsedStream> parsed = parse_stream(stream);
  ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
  EXPECT_EQ(parsed->header.base, 0x0123456789ABCDEFu);
  EXPECT_EQ(parsed->section.size(), 3u);
  EXPECT_EQ(parsed->identity, load_le<uint64_t>(stream.data() + 88));
  EXPECT_EQ(refusal<uint16_t>(4, 4, ErrorCode::kUnsupported, stream),
            "byte 74: stream uses a feature that format version 4 does not have");
  EXPECT_EQ(refusal<uint32_t>(84, 7, ErrorCode::kCorrupt, Bytes(stream.begin(), stream.begin() + 103)),
            "byte 84: stream holds a difference, and not from what");
  header.base.reset();
  EXPECT_NE(serialise_stream_head(header, section, {})[4], std::byte{5});
}

TEST(StreamHeader, TilesMustHoldTheShape) {
  const auto why = [](std::vector<uint32_t> sizes, uint64_t matrices, uint64_t rows, uint64_t columns) {
    ParsedStream stream{
        .header = {.matrices = matrices, .rows = rows, .columns = columns, .tile_chunks = 64, .dimensions = 3}};
    for (const uint32_t size : sizes) stream.tiles.push_back({1000, size, 0});
    const Status status = check_tiles_hold_shape(stream, 16);
    return status ? std::string() : status.error().to_string();
  };
  EXPECT_EQ(why({}, 5, 0, 7), "");
  EXPECT_EQ(why({}, 1, 1, 1), "byte 80: stream has 0 tiles, too few for its shape");
  EXPECT_EQ(why({8}, 1, 16, 1), "");
  EXPECT_EQ(why({8}, 1, 17, 1), "byte 80: stream has 1 tiles, too few for its shape");
  EXPECT_EQ(why({132}, 1, 16, 64), "");
  EXPECT_EQ(why({132}, 1, 16, 65), "byte 80: stream has 1 tiles, too few for its shape");
  EXPECT_EQ(why({132, 8}, 1, 16, 65), "");
  EXPECT_EQ(why({132, 132}, 3, 1, 1), "byte 80: stream has 2 tiles, too few for its shape");
  EXPECT_EQ(why({132, 7}, 1, 16, 65), "byte 1000: tile 1: tile is shorter than its states");
}

// The fuzzer's sane mode would never see a feature whose bit it clears (tests/fuzz/stream_fuzzer.cc).
TEST(StreamHeader, TheFuzzerKeepsEveryFlagAndRule) {
  const auto accepted = [](uint16_t flags, uint8_t rule = 0) {
    const bool known = is_context_rule(rule);
    StreamHeader header{.matrices = 0, .dimensions = 3};
    if ((flags & kStreamDifference) != 0) header.base = 1;
    Bytes stream = serialise_stream_head(header, {}, {});
    if (known && kContextRules[rule].line_scales) flags |= kStreamOneScale;
    if (!header.base) store_le(stream.data() + 4, static_cast<uint16_t>(known ? kContextRules[rule].version : 1));
    if (known && kContextRules[rule].trellis) store_le<uint16_t>(stream.data() + 68, 1);
    store_le(stream.data() + 74, flags);
    store_le(stream.data() + 76, rule);
    repair(stream);
    return parse_stream(stream).ok();
  };
  for (unsigned rule = 0; rule < 256; ++rule) {
    Bytes fuzzed(1000);
    fuzzed[76] = static_cast<std::byte>(rule);
    testing::repair_stream(fuzzed, "w", 77, {}, {}, /*sane=*/true);
    EXPECT_EQ(fuzzed[76] == static_cast<std::byte>(rule), accepted(0, static_cast<uint8_t>(rule))) << rule;
  }
  for (unsigned bits = 0; bits < 256; ++bits) {
    Bytes fuzzed(1000);
    fuzzed[76] = static_cast<std::byte>(ContextRule::kScaleClasses);
    fuzzed[77] = static_cast<std::byte>(bits);
    testing::repair_stream(fuzzed, "w", 77, {}, {}, /*sane=*/true);
    EXPECT_EQ(fuzzed[77] == static_cast<std::byte>(bits), bits <= kMaxCorrectionBits) << bits;
  }
  for (unsigned bit = 0; bit < 16; ++bit) {
    const uint16_t flag = static_cast<uint16_t>(1u << bit);
    EXPECT_EQ(accepted(flag), (kKnownStreamFlags & flag) != 0) << bit;
    Bytes fuzzed(1000);
    store_le(fuzzed.data() + 74, flag);
    testing::repair_stream(fuzzed, "w", 77, {}, {}, /*sane=*/true);
    EXPECT_EQ(load_le<uint16_t>(fuzzed.data() + 74) & flag, accepted(flag) ? flag : 0) << bit;
  }
}

TEST(TileChecksum, LowHalfOfTheSeededHash) {
  const Bytes tile{std::byte{1}, std::byte{2}};
  EXPECT_EQ(tile_checksum(tile, 10, 3), static_cast<uint32_t>(XXH3_64bits_withSeed(tile.data(), 2, 13)));
  EXPECT_EQ(tile_checksum(tile, ~uint64_t{0}, 1), static_cast<uint32_t>(XXH3_64bits_withSeed(tile.data(), 2, 0)))
      << "mod 2^64";
  EXPECT_NE(tile_checksum(tile, 10, 3), tile_checksum(tile, 10, 4)) << "tiles cannot change places";
}

}  // namespace
}  // namespace nwc
