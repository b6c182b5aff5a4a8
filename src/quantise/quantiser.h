// The interface of quantisers: normalised weights in, symbols and decoded weights out. One signature, several bodies:
// transform and round (quantise/transform_quantiser.h), and grids without a stream (methods/grid_quantiser.h).
// Feedback, samples and tiles are written once, above it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "base/aligned.h"
#include "entropy/context.h"
#include "nwcodec/isa.h"
#include "weights/weight_matrix.h"

namespace nwc {

// Stripes [first, first + count) of one matrix: `chunk length` rows each.
struct StripeRange {
  uint64_t matrix = 0, first = 0, count = 0;
};

// Chunks side by side, all of one importance level.
struct ChunkBatch {
  unsigned level = 0;
  uint32_t chunks = 0;
  size_t stride = 0;  // as in Transform::apply()
  // The column that they all belong to, chunk i in stripe i of the range that begin() saw; none where chunks of several
  // columns stand side by side, which only a quantiser that needs no state is given.
  std::optional<uint64_t> column = {};
  // Of the chunks' symbols, for quantisers that look at what symbols cost.
  TileContexts contexts = {};
};

// One thread's buffers, all [components][stride].
struct QuantiserScratch {
  AlignedVector<float> chunks;  // in: normalised weights, [chunk length]; finite up to the padded count
  AlignedVector<float> latents, decoded, network;
  std::vector<int32_t> symbols;   // [channels][stride]
  std::vector<Context> contexts;  // of a tile, or of a column's chunks
  std::vector<Context> contexts_of_chunk;
};

class ColumnRounding;

// What a quantiser keeps between the columns of a range of stripes, for instance the scales of groups.
class StripeState {
 public:
  virtual ~StripeState() = default;
};

// Immutable; threads share it.
class Quantiser {
 public:
  virtual ~Quantiser() = default;
  unsigned chunk_length() const { return chunk_length_; }
  // Symbols of a chunk; 0 if there is no stream, and the decoded weights are all there is.
  unsigned channels() const { return channels_; }

  // How far apart the components of `chunks` chunks stand: what quantise() asks of ChunkBatch::stride.
  virtual size_t stride_of(size_t chunks) const;
  // Largest error of a normalised weight that is let pass; beyond it, the weight is stored as a patch.
  virtual float patch_threshold(unsigned /*level*/) const { return std::numeric_limits<float>::infinity(); }
  // What rounds single weights, of quantisers whose latents are the weights; null for others. Feedback along rows asks
  // for it.
  virtual const ColumnRounding* one_by_one() const { return nullptr; }
  // Before the first column of a range. Null if columns need nothing of each other.
  virtual std::unique_ptr<StripeState> begin(const WeightMatrix& /*weights*/, const StripeRange& /*range*/) const {
    return nullptr;
  }
  // Fills scratch.symbols and scratch.decoded from scratch.chunks. `state`: what begin() gave, or null without columns.
  virtual void quantise(const ChunkBatch& batch, StripeState* state, Isa isa, QuantiserScratch& scratch) const = 0;

 protected:
  Quantiser(unsigned chunk_length, unsigned channels) : chunk_length_(chunk_length), channels_(channels) {}

 private:
  unsigned chunk_length_, channels_;
};

// The value to store instead of what a quantiser makes of a normalised weight: if that misses by more than the
// threshold or, in padding, if it is not finite.
std::optional<float> patch_for(float wanted, float decoded, bool inside, float threshold);

}  // namespace nwc
