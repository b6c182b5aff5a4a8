// The entry points of the encoder's CUDA kernels. They enqueue on `stream` and return a cudaError_t (0: accepted); they
// neither allocate, validate nor synchronise; the .cc files of this folder prepare their arguments. All pointers are
// device pointers. Plain C++17.
#pragma once

#include <cstddef>
#include <cstdint>

struct CUstream_st;

namespace nwc::cuda {

// One matrix of a tensor in storage order. `dtype` as in cuda/decode/device_types.h.
struct MatrixView {
  const void* values;
  uint32_t dtype;
  uint32_t transposed;
  uint64_t rows, columns;
};

// --- normalisation (weights/normalisation.h)

// sums[c] = sum over rows, ascending, of (weight * scales[row])^2; scales may be null for 1.
int squares_of_columns(const MatrixView& matrix, const double* scales, double* sums, CUstream_st* stream);
int squares_of_rows(const MatrixView& matrix, const double* scales, double* sums, CUstream_st* stream);

// --- factors of Hessians (guide/block_ldl.h): the same operations in the same order as on the cores, in binary64

// The lower triangle of a [n, n]: the Hessian with its columns in `order`, and `added` on the diagonal.
int place_hessian(const float* triangle, const uint32_t* order, uint64_t n, double added, double* a,
                  CUstream_st* stream);
// In place on the lower triangle; sets *failed where it is not positive definite.
int cholesky(double* a, uint64_t n, uint32_t* failed, CUstream_st* stream);
// Rows of coefficients are padded to this.
inline constexpr uint64_t kCoefficientBlock = 32;
// From C to coefficients[j * stride + k] = L[j][k], 0 within a block and above it; pivots[k] = C[k][k]^2.
int feedback_coefficients(const double* c, uint64_t n, uint32_t block, float* coefficients, uint64_t stride,
                          double* pivots, CUstream_st* stream);

// --- from weights to symbols

// A weight that the encoder stores as it is.
struct FoundPatch {
  uint32_t stripe, column, row;  // stripe: its place among the stripes at work; row: in the chunk
  float value;
};
inline constexpr uint32_t kSums = 4;  // squared error, the same before scales, squared weight, weighted error

// What all kernels need of a tensor. A stripe's place among those at work is its `slot`.
struct QuantiserTask {
  MatrixView matrix;
  const float* scales;      // [columns]
  const float* factors;     // [rows], or null
  const uint8_t* levels;    // [columns], or null: all 0
  const uint32_t* stripes;  // [slots]: their numbers
  uint32_t slots;
  // Feedback; all null without.
  const uint32_t* order;      // [columns]: the column at each position
  const float* coefficients;  // [columns][stride], by positions
  const double* pivots;       // [columns]
  float* errors;              // [slots][columns][16], by positions; scratch
  uint64_t stride;
  uint32_t block_size;
  // Results.
  int32_t* symbols;  // [slots][chunk][columns]
  FoundPatch* patches;
  uint32_t* patch_count;  // of all that were found, also where they exceed the capacity
  uint32_t patch_capacity;
  double* sums;  // [kSums] of each work item
};

// The small codecs: g_a of residual blocks of width 128, a linear g_s, 16 weights and 16 latents. Exact. A whole tensor
// in one launch: rows are independent, so a team of four warps takes a few stripes through all columns; both networks
// stay in shared memory.
struct SmallCodecShape {
  uint32_t depth, levels, embedding_sets;
};
inline constexpr uint32_t kSmallAnalysisWidth = 128;
// Where the parts of a codec's image begin, in bytes. Matrices are binary16, pairs of inputs by outputs; everything
// else is binary32.
struct SmallCodecLayout {
  uint32_t in_weight, blocks, out_weight;  // [8][128], [depth][64][128], [64][16] pairs
  // [128], [depth][3][128]: bias, gain, offset; [sets][levels][128], [16]
  uint32_t in_bias, block_vectors, embeddings, out_bias;
  uint32_t synthesis_embedding, synthesis_weight, synthesis_bias;  // [levels][16], [16 inputs][16], [16]
  uint32_t centers, thresholds;                                    // [levels][16], [levels]
  uint32_t bytes;                                                  // a multiple of 16
};
constexpr SmallCodecLayout small_codec_layout(SmallCodecShape s) {
  SmallCodecLayout l{};
  uint32_t at = 0;
  const auto take = [&at](uint32_t bytes) {
    const uint32_t begin = at;
    at += (bytes + 15) / 16 * 16;
    return begin;
  };
  l.in_weight = take(8 * kSmallAnalysisWidth * 4);
  l.blocks = take(s.depth * (kSmallAnalysisWidth / 2) * kSmallAnalysisWidth * 4);
  l.out_weight = take(kSmallAnalysisWidth / 2 * 16 * 4);
  l.in_bias = take(kSmallAnalysisWidth * 4);
  l.block_vectors = take(s.depth * 3 * kSmallAnalysisWidth * 4);
  l.embeddings = take(s.embedding_sets * s.levels * kSmallAnalysisWidth * 4);
  l.out_bias = take(64);
  l.synthesis_embedding = take(s.levels * 64);
  l.synthesis_weight = take(16 * 64);
  l.synthesis_bias = take(64);
  l.centers = take(s.levels * 64);
  l.thresholds = take(s.levels * 4);
  l.bytes = at;
  return l;
}
// Whether `shared_room`, the bytes of shared memory that a block may have, holds it beside the scratch.
bool small_codec_fits(SmallCodecShape shape, uint32_t shared_room);
// How many work items there are, each with its sums.
uint32_t small_codec_items(const QuantiserTask& task, int multiprocessors);
int quantise_small_codec(const QuantiserTask& task, SmallCodecShape shape, const uint8_t* image, int multiprocessors,
                         uint32_t shared_room, CUstream_st* stream);

// --- any codec of 16 weights and 16 latents, in passes over some columns at a time, with the networks of
// cuda/decode/kernels.h in between

// Columns at positions [begin, end) and where their chunks stand: stripe slot s of position p is chunk at[p - begin] +
// s of a buffer [16][stride[p - begin]].
struct Batch {
  uint32_t begin, end;
  const uint64_t* at;      // [end - begin]
  const uint32_t* stride;  // [end - begin]
};
struct BatchBuffers {
  float* targets;    // weights plus the feedback of finished columns
  float* originals;  // the weights
  float* chunks;     // normalised
  float* latents;
  float* decoded;
};
// finish_columns() adds to the sums of as many items, for a batch of `columns`.
uint32_t finish_items(uint32_t slots, uint32_t columns);
// Fills targets, originals and chunks.
int gather_targets(const QuantiserTask& task, const Batch& batch, const BatchBuffers& buffers, CUstream_st* stream);
// latents -> symbols -> latents as the decoder sees them. `centers`: [levels][16].
int round_latents(const QuantiserTask& task, const Batch& batch, const float* centers, float* latents,
                  CUstream_st* stream);
// Patches, errors and sums, from what was decoded (NaN where the network gave nothing).
int finish_columns(const QuantiserTask& task, const Batch& batch, const float* thresholds, const BatchBuffers& buffers,
                   CUstream_st* stream);

// --- codecs without a transform: weights rounded one by one by distance and bits

// Contexts by scale classes (format/context_rule.h) of one matrix.
struct LineClasses {
  const int16_t* columns;  // [columns]
  const int16_t* rows;     // [rows_of_matrix]
  uint64_t rows_of_matrix;
  int32_t last;  // context
  int32_t odd;   // contexts of odd integers are larger by it; 0 without a trellis
};
// What the integers from `first` on cost under one table, in squared steps (quantise/rate_aware_rounding.h).
struct alignas(16) CostTable {
  const float* of;  // [count + 1]: the last is the cost of all others
  int32_t first;
  uint32_t count;
};
inline constexpr uint32_t kPlainBlock = 64;  // rows and columns that a thread block has
// Beside a QuantiserTask, whose `errors` are [block of rows][columns, by positions][kPlainBlock] here.
struct PlainTask {
  LineClasses classes;
  uint32_t chunk;            // rows of a stripe
  uint32_t states;           // of the trellis
  const uint8_t* trellis;    // [states][2]: the next state; null: weights are rounded one by one
  const CostTable* costs;    // by context
  const float* cost_values;  // of all tables
  uint32_t cost_count;       // how many
  bool own_costs;            // whether each thread block copies them; set by quantise_plain_codec()
  // Feedback along rows, which takes all stripes of the matrix in order; null without.
  const float* row_coefficients;  // [rows][row_stride]
  uint64_t row_stride;
  float* left;  // [16 slots][left_stride], by positions; scratch
  uint64_t left_stride;
};
// How many work items there are, each with its sums.
uint32_t plain_items(const QuantiserTask& task, uint32_t chunk);
int quantise_plain_codec(const QuantiserTask& task, PlainTask plain, CUstream_st* stream);

// --- from symbols to tiles

// The columns of one matrix that share a level (format/tiling.h).
struct ColumnGroup {
  const uint32_t* columns;  // null: column p is p
  uint32_t count, level;
  uint64_t first_slot;  // the matrix's first stripe among all stripes of the tensor
  LineClasses classes;  // of the matrix; no columns: contexts by level and channel
};
// Tile t has chunks [first, first + chunks) of its group, whose first is number first_place of stripe first_stripe.
struct TileToCode {
  uint32_t group, chunks, first_place;
  uint64_t first_stripe;
  uint64_t words_end;  // where its scratch ends, in words
};
struct SymbolsView {
  const int32_t* symbols;  // [slots][channels][columns]
  uint64_t columns;
  uint32_t channels;
  const ColumnGroup* groups;
  const TileToCode* tiles;
};

// Counts of the integers in [-kCountReach, kCountReach): [contexts][2 kCountReach]. Others are appended to a list.
inline constexpr int32_t kCountReach = 2048;
struct FarSymbol {
  uint32_t series;  // context: level * channels + channel, or by classes
  int32_t value;
};
struct Counts {
  uint32_t* near;
  FarSymbol* far;
  uint32_t* far_count;  // of all that were met, also where they exceed the capacity
  uint32_t far_capacity;
};
// Of the tiles numbers[0, count).
int count_tiles(const SymbolsView& view, const uint32_t* numbers, uint32_t count, const Counts& counts,
                CUstream_st* stream);
// Of all symbols of `slots` stripes; `levels`: [columns], or null for 0.
int count_slots(const int32_t* symbols, uint32_t slots, uint64_t columns, const uint8_t* levels, const Counts& counts,
                CUstream_st* stream);
// The same by classes; `stripes`: [slots], their numbers in the matrix.
int count_slots_by_class(const int32_t* symbols, const uint32_t* stripes, uint32_t slots, uint64_t columns,
                         uint32_t channels, const LineClasses& classes, const Counts& counts, CUstream_st* stream);

// A frequency table for encoding.
struct CodingTable {
  const uint32_t* intervals;  // [count + 1]: start << 16 | frequency; the last is the escape's
  int32_t minimum;
  uint32_t shift, count;
};
// An escaped symbol. `order` within its tile: run << 32 | channel << 16 | chunk.
struct FoundEscape {
  uint64_t order;
  uint32_t tile;
  int32_t value;
};
struct CodedTilesView {
  uint16_t* words;   // scratch: tile t's words end at words_end, the first one decoded is the lowest
  uint32_t* counts;  // [tiles]: how many
  uint32_t* states;  // [tiles][32]
  FoundEscape* escapes;
  uint32_t* escape_count;  // likewise
  uint32_t escape_capacity;
};
// rANS, a warp per tile, with the bytes of entropy/encode/tile_encoder.h. `tables`: by context.
int encode_tiles(const SymbolsView& view, uint32_t tile_count, const CodingTable* tables, uint32_t run_groups,
                 const CodedTilesView& coded, CUstream_st* stream);
// Words that a tile's scratch must hold.
inline constexpr uint64_t kMostWordsPerSymbol = 2;
// Head, states and words of every tile to payload + offsets[tile].
int place_tiles(const TileToCode* tiles, uint32_t tile_count, const CodedTilesView& coded, const uint64_t* offsets,
                uint8_t* payload, CUstream_st* stream);

}  // namespace nwc::cuda
