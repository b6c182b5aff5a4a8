// One compressed tensor: stream, scales and levels, checked against each other, and decoded whole or in part.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "codec/codec.h"
#include "format/context_rule.h"
#include "format/stream_header.h"
#include "format/tiling.h"
#include "nwcodec/result.h"

namespace nwc {

// A rectangle of one matrix: outputs [row_begin, row_end) by inputs [column_begin, column_end).
struct Slice {
  uint64_t matrix = 0;
  uint64_t row_begin = 0, row_end = 0;
  uint64_t column_begin = 0, column_end = 0;
};

// Views into the caller's bytes and codec, which must outlive it. Immutable; threads share it.
class TensorDecoder {
 public:
  // `levels` is empty if the header says that there are none. Errors: kCorrupt, kMismatch (another codec's stream,
  // another tensor's stream), kUnsupported; offsets are relative to the stream.
  static Result<TensorDecoder> open(const std::string& name, std::span<const std::byte> stream,
                                    std::span<const std::byte> scales, std::span<const std::byte> levels,
                                    const Codec& codec);

  const StreamHeader& header() const { return parsed_.header; }
  // Columns of each importance level, over all matrices.
  std::vector<uint64_t> columns_per_level() const;
  // Bytes of all tiles.
  uint64_t payload_bytes() const;
  // Outputs that are decoded together at no extra cost: slices by rows are best cut at multiples of it.
  uint64_t row_granularity() const { return codec_->parts().chunk_length(); }

  // Writes the whole tensor, in the storage order of the original, to `out` (header().elements() * bits_of(dtype) / 8
  // bytes).
  Status decode(DType dtype, std::span<std::byte> out, int threads) const;
  // Writes a slice as a dense row-major matrix ([columns][rows] if the original is transposed). Only tiles that hold
  // some of it are decoded; other tiles' bytes are not touched.
  Status decode_slice(const Slice& slice, DType dtype, std::span<std::byte> out, int threads) const;
  // Whether decode_slice() would take it: a slice of this tensor, a dtype of weights, the slice's size in bytes.
  // Errors: kInvalidArgument.
  Status check_slice(const Slice& slice, DType dtype, size_t out_bytes) const;
  // Decodes nothing, checks the checksum of every tile.
  Status verify() const;
  Status verify_tile(uint64_t number) const { return check_tile(number); }

  // What the stream holds, for decoders on other devices.
  const ParsedStream& parsed() const { return parsed_; }
  const Tiling& tiling() const { return *tiling_; }
  const DecodingTables& tables() const { return own_decoding_tables_ ? *own_decoding_tables_ : codec_->tables(); }
  // The same as an encoder takes them.
  const TableSet& table_set() const { return own_tables_ ? *own_tables_ : codec_->parts().tables.set; }
  const StreamContexts& contexts() const { return *contexts_; }
  bool has_own_tables() const { return own_decoding_tables_.has_value(); }
  const Codec& codec() const { return *codec_; }
  // Not checked: verify_tile().
  std::span<const std::byte> tile_bytes(uint64_t number) const;
  std::span<const float> scales() const { return scales_; }            // [matrices * columns]
  std::span<const float> row_factors() const { return row_factors_; }  // [matrices * rows], or empty
  // Tiles that hold some of a group's weights in rows [row_begin, row_end), not empty.
  struct TileRange {
    uint64_t begin, end;
  };
  TileRange tiles_of_rows(const LevelGroup& group, uint64_t row_begin, uint64_t row_end) const;
  // Numbers of the tiles that hold some of a slice, ascending; the slice is not empty.
  std::vector<uint64_t> tiles_of_slice(const Slice& slice) const;

 private:
  TensorDecoder() = default;
  // scales_ and row_factors_. Errors: kCorrupt.
  Status apply_line_scales(const LineScales& lines, float base);
  Status check_output(std::span<const Slice> slices, DType dtype, size_t out_bytes) const;
  Status run(std::span<const Slice> slices, DType dtype, std::span<std::byte> out, int threads) const;
  Status check_tile(uint64_t number) const;

  std::span<const std::byte> stream_;
  const Codec* codec_ = nullptr;
  ParsedStream parsed_;
  std::optional<Tiling> tiling_;
  std::vector<float> scales_;       // [matrices * columns], exponent applied
  std::vector<float> row_factors_;  // [matrices * rows], or empty
  std::shared_ptr<const StreamContexts> contexts_;
  std::optional<TableSet> own_tables_;
  std::optional<DecodingTables> own_decoding_tables_;
};

}  // namespace nwc
