#include "format/stream_header.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/bytes.h"
#include "base/hash.h"
#include "format/format_versions.h"
#include "nwcodec/limits.h"

namespace nwc {
namespace {

constexpr char kMagic[4] = {'N', 'W', 'C', 'S'};
constexpr size_t kHeaderSize = 96;
constexpr size_t kHashOffset = 88;
constexpr size_t kIndexEntrySize = 8;
constexpr size_t kBaseSize = 8;

Error corrupt(std::string message, uint64_t offset) {
  return Error(ErrorCode::kCorrupt, std::move(message)).at_offset(offset);
}

uint64_t head_hash(const std::byte* head, size_t size) {
  XXH3_state_t* state = XXH3_createState();
  if (state == nullptr) throw std::bad_alloc();
  XXH3_64bits_reset(state);
  XXH3_64bits_update(state, head, kHashOffset);
  XXH3_64bits_update(state, head + kHeaderSize, size - kHeaderSize);
  const uint64_t hash = XXH3_64bits_digest(state);
  XXH3_freeState(state);
  return hash;
}

Status check_shape(const StreamHeader& h) {
  const auto fits = [](uint64_t a, uint64_t b) { return a == 0 || b <= limits::kMaxStreamWeights / a; };
  // The last two matter where there are no rows or no columns: scales are counted by matrices and columns or rows.
  if (!fits(h.rows, h.columns) || !fits(h.matrices, h.rows * h.columns) || !fits(h.matrices, h.columns) ||
      ((h.has_row_factors || traits_of(h.context_rule).line_scales) && !fits(h.matrices, h.rows))) {
    return Error(ErrorCode::kLimit, "stream declares more elements than any stream may hold").at_offset(40);
  }
  if (h.columns > UINT32_MAX) return Error(ErrorCode::kLimit, "stream declares more than 2^32 columns").at_offset(56);
  if (h.dimensions != 2 && h.dimensions != 3)
    return corrupt("stream declares " + std::to_string(h.dimensions) + " dimensions", 73);
  if (h.dimensions == 2 && h.matrices != 1) return corrupt("a 2-D stream declares several matrices", 40);
  return {};
}

}  // namespace

std::vector<uint64_t> StreamHeader::shape() const {
  const uint64_t first = transposed ? columns : rows, second = transposed ? rows : columns;
  if (dimensions == 3) return {matrices, first, second};
  return {first, second};
}

uint32_t tile_checksum(std::span<const std::byte> tile, uint64_t tensor_id, uint64_t tile_number) {
  return static_cast<uint32_t>(xxh3(tile, tensor_id + tile_number));
}

Result<ParsedStream> parse_stream(std::span<const std::byte> bytes) {
  if (bytes.size() < kHeaderSize) return corrupt("stream is shorter than its header", bytes.size());
  const std::byte* p = bytes.data();
  if (std::memcmp(p, kMagic, sizeof(kMagic)) != 0) return corrupt("stream does not begin with NWCS", 0);
  const unsigned version = load_le<uint16_t>(p + 4);
  if (const std::string number = std::to_string(version); !is_known_version(number))
    return unknown_version("stream ", number).at_offset(4);
  if (load_le<uint16_t>(p + 6) != kHeaderSize) return corrupt("stream header has an impossible size", 6);

  ParsedStream parsed;
  StreamHeader& h = parsed.header;
  h.codec_id = load_le<uint64_t>(p + 8);
  h.tensor_id = load_le<uint64_t>(p + 16);
  h.scales_hash = load_le<uint64_t>(p + 24);
  h.levels_hash = load_le<uint64_t>(p + 32);
  h.matrices = load_le<uint64_t>(p + 40);
  h.rows = load_le<uint64_t>(p + 48);
  h.columns = load_le<uint64_t>(p + 56);
  h.tile_chunks = load_le<uint32_t>(p + 64);
  h.run_groups = load_le<uint16_t>(p + 68);
  h.scale_exponent = load_le<int16_t>(p + 70);
  const unsigned dtype = static_cast<unsigned>(p[72]);
  h.dimensions = static_cast<uint8_t>(p[73]);
  const uint16_t flags = load_le<uint16_t>(p + 74);
  const unsigned table_rule = static_cast<unsigned>(p[76]);
  const unsigned correction_bits = static_cast<unsigned>(p[77]);
  const uint16_t reserved = load_le<uint16_t>(p + 78);
  const uint32_t tiles = load_le<uint32_t>(p + 80);
  const uint32_t section = load_le<uint32_t>(p + 84);

  // Sizes first: the hash covers the head, so the head must lie inside the stream.
  const uint64_t after_header = bytes.size() - kHeaderSize;
  if (section > after_header) return corrupt("line scales and own tables reach past the end of the stream", 84);
  if (tiles > (after_header - section) / kIndexEntrySize)
    return corrupt("tile index reaches past the end of the stream", 80);
  const uint64_t head_size = kHeaderSize + section + tiles * uint64_t{kIndexEntrySize};
  parsed.identity = load_le<uint64_t>(p + kHashOffset);
  if (parsed.identity != head_hash(p, head_size)) {
    return corrupt("stream header does not match its checksum", kHashOffset)
        .remedy("the file is damaged: fetch it again");
  }

  if ((flags & ~kKnownStreamFlags) != 0 || !is_context_rule(table_rule) || reserved != 0 ||
      kContextRules[table_rule].version > version || correction_bits > kMaxCorrectionBits ||
      (correction_bits > 0 && version < kCorrectionsVersion) ||
      ((flags & kStreamDifference) != 0 && version < kDifferencesVersion)) {
    return Error(ErrorCode::kUnsupported,
                 "stream uses a feature that format version " + std::to_string(version) + " does not have")
        .at_offset(74);
  }
  if (dtype > static_cast<unsigned>(DType::kBF16) || !is_weight_dtype(static_cast<DType>(dtype))) {
    return corrupt("stream declares dtype number " + std::to_string(dtype), 72);
  }
  h.dtype = static_cast<DType>(dtype);
  const RuleTraits& rule = kContextRules[table_rule];
  h.context_rule = rule.rule;
  h.correction_bits = static_cast<uint8_t>(correction_bits);
  h.transposed = (flags & kStreamTransposed) != 0;
  h.has_levels = (flags & kStreamLevels) != 0;
  h.has_own_tables = (flags & kStreamOwnTables) != 0;
  h.one_scale = (flags & kStreamOneScale) != 0;
  h.has_row_factors = (flags & kStreamRowFactors) != 0;
  const bool has_lines = rule.line_scales, is_difference = (flags & kStreamDifference) != 0;
  const size_t base_size = is_difference ? kBaseSize : 0;
  if (section < base_size) return corrupt("stream holds a difference, and not from what", 84);
  if (is_difference) h.base = load_le<uint64_t>(p + kHeaderSize);
  if (!h.has_own_tables && !has_lines && section != base_size)
    return corrupt("stream has own tables without their flag", 84);
  if (has_lines && (!h.one_scale || h.has_row_factors)) {
    return corrupt("stream has line scales, but not one scale, or row factors too", 74);
  }
  if (h.correction_bits > 0 && !has_lines)
    return corrupt("stream has corrections of line scales, but no line scales", 77);
  if (rule.trellis && (h.has_own_tables || h.has_levels))
    return corrupt("stream has a trellis, and levels or own tables too", 74);
  if (!h.has_levels && h.levels_hash != 0) return corrupt("stream has a checksum of levels without their flag", 32);
  if (h.tile_chunks == 0 || h.tile_chunks > limits::kMaxTileChunks || h.tile_chunks % limits::kLanes != 0) {
    return corrupt("stream declares tiles of " + std::to_string(h.tile_chunks) + " chunks", 64);
  }
  if (h.run_groups == 0 || h.run_groups > limits::kMaxTileChunks / limits::kLanes) {
    return corrupt("stream declares runs of " + std::to_string(h.run_groups) + " groups", 68);
  }
  if (rule.trellis && h.run_groups != 1) return corrupt("stream has a trellis, and runs of more than one group", 68);
  NWC_RETURN_IF_ERROR(check_shape(h));

  parsed.section = bytes.subspan(kHeaderSize + base_size, section - base_size);
  parsed.tiles.reserve(tiles);
  const std::byte* index = p + kHeaderSize + section;
  uint64_t offset = head_size;
  for (uint32_t t = 0; t < tiles; ++t, index += kIndexEntrySize) {
    const uint32_t size = load_le<uint32_t>(index);
    if (size > bytes.size() - offset)
      return corrupt("tile " + std::to_string(t) + " reaches past the end of the stream", offset);
    parsed.tiles.push_back({offset, size, load_le<uint32_t>(index + 4)});
    offset += size;
  }
  if (offset != bytes.size()) return corrupt("stream goes on after its last tile", offset);
  return parsed;
}

Status check_tiles_hold_shape(const ParsedStream& stream, unsigned chunk_length) {
  const StreamHeader& h = stream.header;
  if (h.elements() == 0) return {};
  const uint64_t stripes = h.rows / chunk_length + (h.rows % chunk_length != 0 ? 1 : 0);
  const uint64_t wanted = h.matrices * h.columns * stripes, tiles = stream.tiles.size();
  const Error too_few = corrupt("stream has " + std::to_string(tiles) + " tiles, too few for its shape", 80);
  if (h.matrices > tiles || wanted > tiles * h.tile_chunks) return too_few;
  // A tile is a number of words, then the states, four bytes each.
  const auto states = [](const ParsedStream::Tile& tile) { return std::max<uint64_t>(tile.size / 4, 1) - 1; };
  uint64_t held = 0;
  for (const ParsedStream::Tile& tile : stream.tiles)
    held += states(tile) < limits::kLanes ? states(tile) : h.tile_chunks;
  if (wanted <= held) return {};
  for (uint64_t t = 0; t < tiles; ++t) {
    if (states(stream.tiles[t]) == 0)
      return corrupt("tile " + std::to_string(t) + ": tile is shorter than its states", stream.tiles[t].offset);
  }
  return too_few;
}

std::vector<std::byte> serialise_stream_head(const StreamHeader& h, std::span<const std::byte> section,
                                             std::span<const TileIndexEntry> tiles) {
  const size_t base_size = h.base ? kBaseSize : 0;
  std::vector<std::byte> head(kHeaderSize + base_size + section.size() + tiles.size() * kIndexEntrySize);
  std::byte* p = head.data();
  std::memcpy(p, kMagic, sizeof(kMagic));
  store_le<uint16_t>(p + 4, static_cast<uint16_t>(h.version()));
  store_le<uint16_t>(p + 6, kHeaderSize);
  store_le(p + 8, h.codec_id);
  store_le(p + 16, h.tensor_id);
  store_le(p + 24, h.scales_hash);
  store_le(p + 32, h.levels_hash);
  store_le(p + 40, h.matrices);
  store_le(p + 48, h.rows);
  store_le(p + 56, h.columns);
  store_le(p + 64, h.tile_chunks);
  store_le(p + 68, h.run_groups);
  store_le(p + 70, h.scale_exponent);
  p[72] = static_cast<std::byte>(h.dtype);
  p[73] = static_cast<std::byte>(h.dimensions);
  store_le<uint16_t>(
      p + 74, static_cast<uint16_t>((h.transposed ? kStreamTransposed : 0) | (h.has_levels ? kStreamLevels : 0) |
                                    (h.has_own_tables ? kStreamOwnTables : 0) | (h.one_scale ? kStreamOneScale : 0) |
                                    (h.has_row_factors ? kStreamRowFactors : 0) | (h.base ? kStreamDifference : 0)));
  p[76] = static_cast<std::byte>(h.context_rule);
  p[77] = static_cast<std::byte>(h.correction_bits);
  store_le<uint32_t>(p + 80, static_cast<uint32_t>(tiles.size()));
  store_le<uint32_t>(p + 84, static_cast<uint32_t>(base_size + section.size()));
  if (h.base) store_le<uint64_t>(p + kHeaderSize, *h.base);
  std::byte* after = std::copy(section.begin(), section.end(), p + kHeaderSize + base_size);
  for (const TileIndexEntry& tile : tiles) {
    store_le(after, tile.size);
    store_le(after + 4, tile.checksum);
    after += kIndexEntrySize;
  }
  store_le(p + kHashOffset, head_hash(p, head.size()));
  return head;
}

}  // namespace nwc
