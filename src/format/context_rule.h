// Context rules: how the symbols of a stream find their frequency tables (docs/format.md, section 4, "table rule").
// A rule is a number in the stream's header, a row of the table of rules (format/rule_table.h) and a body of
// StreamContexts; what codes with it sees table numbers only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "entropy/context.h"
#include "format/line_scales.h"
#include "format/rule_table.h"
#include "format/stream_header.h"
#include "format/tiling.h"
#include "nwcodec/result.h"

namespace nwc {

// Where a chunk lies in its tensor.
struct ChunkPlace {
  uint64_t matrix;
  unsigned level;   // of its column
  uint64_t stripe;  // the chunk's rows are stripe * chunk length and on
  uint32_t column;
};

// Of chunk number `chunk` of a group.
inline ChunkPlace place_of(const LevelGroup& group, uint64_t chunk) {
  return {group.matrix, group.level, chunk / group.columns.size(), group.columns[chunk % group.columns.size()]};
}

class ScaleClasses;

// The contexts of one stream's symbols. Immutable; threads share it.
class StreamContexts {
 public:
  virtual ~StreamContexts() = default;
  unsigned channels() const { return channels_; }
  // Whether all chunks of a tile, which belong to one matrix and one level, have the same contexts.
  bool shared() const { return shared_; }
  // Those of rules 1 and 2, for decoders on other devices; null under rule 0.
  virtual const ScaleClasses* scale_classes() const { return nullptr; }

  // Rule 2's; null under other rules.
  virtual const Trellis* trellis() const { return nullptr; }
  // The number that contexts of odd integers are larger by; 0 without a trellis.
  virtual Context odd() const { return 0; }

  // The contexts of a chunk's symbols, [channels()]; with a trellis, those of even integers.
  virtual void of_chunk(const ChunkPlace& place, std::span<Context> contexts) const = 0;
  // The same of all chunks of a tile, which refers to `storage`.
  virtual TileContexts of_tile(const LevelGroup& group, const TileSpan& span, std::vector<Context>& storage) const;

 protected:
  StreamContexts(unsigned channels, bool shared) : channels_(channels), shared_(shared) {}

 private:
  unsigned channels_;
  bool shared_;
};

// What a codec tells its rule.
struct CodecShape {
  unsigned levels = 0, channels = 0;
  unsigned chunk_length = 0;  // rows of a stripe
  const Trellis* trellis = nullptr;

  size_t tables() const { return size_t{levels} * channels; }
};

// Rules 1 and 2: a class for each column and for each row of each matrix, from line scales (format/line_scales.h),
// whose sum names one of the tables that all tensors share: quarter octaves of what weights spread over their steps. A
// sum beyond the first or the last table names that one.
class ScaleClasses {
 public:
  // What names the table of rows past the end of the matrix, which pad its last stripe.
  enum class Padding : uint8_t { kColumn, kFirst };  // the class of the column alone; the first table
  ScaleClasses(const LineScales& lines, uint64_t columns, uint64_t rows, size_t tables,
               Padding padding = Padding::kColumn);

  Context context(uint64_t matrix, uint32_t column, uint64_t row) const {
    if (row >= rows_ && padding_ == Padding::kFirst) return 0;
    const int sum =
        of_columns_[matrix * columns_ + column] + (row < rows_ ? of_rows_[matrix * rows_ + row] : int16_t{0});
    return static_cast<Context>(std::clamp(sum, 0, last_));
  }
  // context() of chunks side by side in one stripe, of which chunk i is of columns[i]: that of row first_row + c goes
  // to numbers[c * stride + i], c < rows. `scratch` grows as needed.
  void contexts(uint64_t matrix, std::span<const uint32_t> columns, uint64_t first_row, unsigned rows, size_t stride,
                Context* numbers, std::vector<int16_t>& scratch) const;
  std::span<const int16_t> of_columns() const { return of_columns_; }  // [matrices * columns]
  std::span<const int16_t> of_rows() const { return of_rows_; }        // [matrices * rows]

 private:
  uint64_t columns_, rows_;
  int last_;
  Padding padding_;
  std::vector<int16_t> of_columns_, of_rows_;
};

// Rule 0's number of a table.
inline Context level_channel_context(unsigned level, unsigned channels, unsigned channel) {
  return static_cast<Context>(level * channels + channel);
}

}  // namespace nwc
