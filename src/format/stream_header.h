// The header of a tensor's stream (docs/format.md, section 4): parsing hostile bytes and writing our own.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "format/rule_table.h"
#include "nwcodec/dtype.h"
#include "nwcodec/result.h"

namespace nwc {

// Names of the tensors that replace X.
inline constexpr const char* kStreamSuffix = ".nwc_stream";
inline constexpr const char* kScalesSuffix = ".nwc_scales";
inline constexpr const char* kLevelsSuffix = ".nwc_levels";

// Corrections of line scales: from format version 4 on, in units of at least 2^-3 of a step.
inline constexpr unsigned kCorrectionsVersion = 4;
inline constexpr uint8_t kMaxCorrectionBits = 3;

// Differences (section 9): from format version 5 on.
inline constexpr unsigned kDifferencesVersion = 5;

struct StreamHeader {
  uint64_t codec_id = 0;
  uint64_t tensor_id = 0;  // XXH3 of the tensor's name
  uint64_t scales_hash = 0;
  uint64_t levels_hash = 0;  // 0 if there is no levels tensor
  uint64_t matrices = 1, rows = 0, columns = 0;
  uint32_t tile_chunks = 2048;
  uint16_t run_groups = 64;
  int16_t scale_exponent = 0;
  DType dtype = DType::kF32;
  uint8_t dimensions = 2;
  bool transposed = false;
  bool has_levels = false;
  bool has_own_tables = false;
  bool one_scale = false;  // one column scale for all columns
  bool has_row_factors = false;
  ContextRule context_rule = ContextRule::kLevelChannel;
  uint8_t correction_bits = 0;   // line scales have corrections, in units of 2^-correction_bits of a step; 0: none
  std::optional<uint64_t> base;  // of a difference: the identity of the tensor that it is added to

  // The oldest format version that has what the stream uses.
  unsigned version() const {
    return std::max({traits_of(context_rule).version, base ? kDifferencesVersion : 1,
                     correction_bits > 0 ? kCorrectionsVersion : 1});
  }
  uint64_t elements() const { return matrices * rows * columns; }
  // Entries of the scales tensor: column scales, then row factors.
  uint64_t column_scales() const { return one_scale ? 1 : matrices * columns; }
  uint64_t row_factors() const { return has_row_factors ? matrices * rows : 0; }
  // The original tensor's shape.
  std::vector<uint64_t> shape() const;
};

// The header's flags that this format version has.
inline constexpr uint16_t kStreamTransposed = 1, kStreamLevels = 2, kStreamOwnTables = 4, kStreamOneScale = 8,
                          kStreamRowFactors = 16, kStreamDifference = 32;
inline constexpr uint16_t kKnownStreamFlags =
    kStreamTransposed | kStreamLevels | kStreamOwnTables | kStreamOneScale | kStreamRowFactors | kStreamDifference;

struct TileIndexEntry {
  uint32_t size;      // bytes
  uint32_t checksum;  // low half of XXH3(tile, seed = tensor id + tile number)
};

// A stream taken apart: spans point into the bytes given.
struct ParsedStream {
  StreamHeader header;
  uint64_t identity;                   // the header's checksum, which covers all of the stream and its scales
  std::span<const std::byte> section;  // line scales if its rule has them, then own tables
  struct Tile {
    uint64_t offset;  // in the stream
    uint32_t size, checksum;
  };
  std::vector<Tile> tiles;
};

uint32_t tile_checksum(std::span<const std::byte> tile, uint64_t tensor_id, uint64_t tile_number);

// Checks everything that needs no other tensor: magic, version, reserved fields, header checksum, sizes against
// bytes.size(). Offsets in errors are relative to the stream.
Result<ParsedStream> parse_stream(std::span<const std::byte> bytes);

// Whether tiles of these sizes can hold the declared shape, for whoever allocates by it: a matrix has a tile of its
// own, and a tile has four bytes for each of its first 32 chunks. Errors: kCorrupt.
Status check_tiles_hold_shape(const ParsedStream& stream, unsigned chunk_length);

// Header, section and tile index; the tiles follow.
std::vector<std::byte> serialise_stream_head(const StreamHeader& header, std::span<const std::byte> section,
                                             std::span<const TileIndexEntry> tiles);

}  // namespace nwc
