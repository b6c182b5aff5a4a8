// Context rules: how the symbols of a stream find their frequency tables (docs/format.md, section 4, "table rule").
// A rule is a number in the stream's header and a body of StreamContexts; what codes with it sees table numbers only.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "entropy/context.h"
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

// The contexts of one stream's symbols. Immutable; threads share it.
class StreamContexts {
 public:
  virtual ~StreamContexts() = default;
  unsigned channels() const { return channels_; }
  // Whether all chunks of a tile, which belong to one matrix and one level, have the same contexts.
  bool shared() const { return shared_; }

  // The contexts of a chunk's symbols, [channels()].
  virtual void of_chunk(const ChunkPlace& place, std::span<Context> contexts) const = 0;
  // The same of all chunks of a tile, which refers to `storage`.
  TileContexts of_tile(const LevelGroup& group, const TileSpan& span, std::vector<Context>& storage) const;

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
};

// The contexts of a stream: the body of its header's rule. `section`: the stream's bytes about contexts and tables;
// what the rule reads of them is taken off its front, and own tables are what is left (docs/format.md, section 7).
// Errors: kUnsupported for a rule that this format does not have (parse_stream() has refused it before); kCorrupt.
Result<std::shared_ptr<const StreamContexts>> open_contexts(const StreamHeader& header,
                                                            std::span<const std::byte>& section,
                                                            const CodecShape& codec);

// Rule 0's number of a table.
inline Context level_channel_context(unsigned level, unsigned channels, unsigned channel) {
  return static_cast<Context>(level * channels + channel);
}
// Rule 0: a table for each level and channel of the codec, level by level.
std::shared_ptr<const StreamContexts> make_level_channel_contexts(const CodecShape& codec);

}  // namespace nwc
