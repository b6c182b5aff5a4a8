// What the CUDA kernels read: flat descriptions of tiles that the binding (cuda/decode/batch.cc) has validated and laid
// out in one block of device memory. Plain C++17, shared by nvcc and the host compiler.
//
// All pointers are device pointers. Compressed bytes must be readable up to the next multiple of 4 beyond their end.
#pragma once

#include <cstdint>

namespace nwc::cuda {

// Output element types, as in nwc::DType.
inline constexpr uint32_t kF32 = 1, kF16 = 2, kBF16 = 3;

// Status words, one per tile.
inline constexpr uint32_t kTileDecoded = 0;
inline constexpr uint32_t kTileDamaged = 1;      // must not be used
inline constexpr uint32_t kTileUntouched = ~0u;  // what the statuses are before a decode

inline constexpr uint32_t kSlots = 4096;           // of a frequency table
inline constexpr uint32_t kLowerBound = 1u << 16;  // rANS states are at least this between steps

// A symbol of the fused kernel's tables. Symbol numbers are shifted so that the escape is always kSmallEscape.
inline constexpr uint32_t kSmallEscape = 255;
struct SmallSymbol {
  int32_t frequency_less_total;  // frequency - 4096
  uint32_t latent_and_start;     // binary16 latent << 16 | start; the escape's latent is NaN
};

// The shapes of g_s that the fused kernel is compiled for: a linear map, as the shipped `fast-*` codecs have it, or two
// residual blocks of width 32.
enum class SmallShape : uint32_t { kLinear, kResidual };
inline constexpr uint32_t kSmallLatents = 16, kSmallChunk = 16, kSmallWidth = 32, kSmallBlocks = 2;
// Tables of one level as the fused kernel keeps them in shared memory: a byte per slot, then the symbols.
struct SmallTables {
  uint8_t symbol_of_slot[kSmallLatents][kSlots];
  SmallSymbol symbols[kSmallLatents][256];
};

// g_s of one level for mma.m16n8k16, in binary16, as registers of a lane. Means over outputs are taken out of the
// blocks' weights (so LayerNorm need not), the last embedding is multiplied into the output layer. A linear map is its
// output layer's first part alone.
struct SmallNetwork {
  uint32_t weights[12][32][4];  // of lane l: 0-1 input layer, 2-5 and 6-9 blocks, 10-11 output layer
  uint32_t vectors[8][4][4];    // of lanes l % 4: input bias; bias, gain, offset of both blocks; embedding of the first
  float out_bias[kSmallChunk];
};

// Codecs with a trellis, whose chunks have so many weights. Tables as their kernel keeps them in shared memory, for
// classes whose two tables have no raw bits and integers in [-127, 127]: kPlainBuckets bytes, of every eight slots the
// first symbol that has one of them (symbols in the order of their slots); then a word per symbol, the last one twice,
// start << 20 | frequency << 8 | integer + 128, where the escape has 0.
inline constexpr uint32_t kPlainChunk = 64;
inline constexpr uint32_t kPlainStates = 64;  // of a trellis at most
inline constexpr uint32_t kPlainBuckets = kSlots / 8;
inline constexpr uint32_t kPlainNear = 256;  // classes at most in shared memory
// What their kernel reads of a codec, and the classes [first, first + count), whose tables it has in shared memory.
struct PlainDecoding {
  const uint32_t* tables;     // of these classes
  const uint32_t* places;     // [count]: words from there to the table of even integers, and << 16 of odd ones
  const uint8_t* next_state;  // [states][2]
  uint32_t words;             // of the tables, a multiple of 4
  uint32_t states, classes, first, count;
};

// One channel's table for the kernels of any codec.
struct Channel {
  const uint32_t* slots;  // as in DecodingTable: [4096]
  int32_t minimum;
  uint32_t shift, escape;
  float center;
};

// y = A x + b as in transform/residual_mlp.h: panels of eight outputs.
struct Linear {
  uint32_t inputs, outputs;
  const float* packed;
  const float* bias;
};
struct Block {
  Linear linear;
  const float* gain;
  const float* offset;
};
// g_s in binary32.
struct Network {
  uint32_t inputs, outputs, width, depth, levels, embedding_sets;
  uint32_t plain;  // whether y = z
  Linear in, out;
  const Block* blocks;
  const float* embeddings;  // [embedding_sets][levels][width]
};

// The columns of one matrix that have one importance level, and where their weights go.
struct Group {
  const uint32_t* columns;  // ascending; null: column p is p
  const float* scales;      // [columns of the matrix]
  const float* factors;     // [rows], or null: all 1
  // [latents], or under table rules 1 and 2 [levels * latents]: all of the codec's or the stream's tables.
  const Channel* channels;
  const int16_t* column_classes;                          // [columns of the matrix]; null: table rule 0
  const int16_t* row_classes;                             // [rows], likewise
  uint64_t rows;                                          // of the matrix
  uint32_t tables;                                        // under table rule 1; of even integers under rule 2
  const uint8_t* trellis;                                 // [states][2]: the next state; null but under table rule 2
  void* out;                                              // the slice's first element
  int64_t row_step, column_step;                          // elements from one row (column) of the slice to the next
  uint64_t row_begin, row_end, column_begin, column_end;  // the slice
  uint32_t count;                                         // columns in the group
  uint32_t level, dtype, run_groups;
};

struct Tile {
  const uint8_t* bytes;
  uint32_t size, chunks;
  uint64_t first_stripe;  // of its first chunk
  uint32_t first_place;   // of its first chunk: index into the group's columns
  uint32_t group;
  // For the kernels of any codec only.
  uint32_t small_entropy;  // whether small_latents() decodes its entropy, instead of decode_latents()
  uint64_t latents_at;     // float index into the scratch: [latents][stride], stride = chunks rounded up to 32
  uint32_t first_block;    // its first block of 32 chunks among all tiles'
};

// Tiles [begin, end) share tables and level: what the fused kernel loads into shared memory.
struct Segment {
  uint32_t begin, end;
  const SmallTables* tables;
  const SmallNetwork* network;
};

// The shape of the wide codecs (the shipped `paper-*`), which kernels for the tensor cores are compiled for; any depth.
inline constexpr uint32_t kWideLatents = 16, kWideChunk = 16, kWideWidth = 512;
// Outputs that the wgmma kernel computes together, and inputs of a stage.
inline constexpr uint32_t kWidePass = 64, kWideStageInputs = 128;
inline constexpr uint32_t kWideStageBytes = kWidePass * 2 * kWideStageInputs;
inline constexpr uint32_t kWideFirstStage = 3;  // of the four by 128 inputs, the one that products begin with
inline constexpr uint32_t kWideChunks = 128;    // worked on together
// The kernels: wide_synthesis() and wide_synthesis_mma().
enum class WidePath : uint32_t { kWgmma, kMma };
// Vectors of one layer in binary16, for lanes l % 4, whose outputs are 8 t + 2 (l % 4) and + 1: a word each. The input
// layer has biases only.
struct WideVectors {
  uint32_t bias[16][4][4];       // [i][l % 4]: of t = 4 i to 4 i + 3
  uint32_t affine[32][4][4];     // gains of t = 2 i and 2 i + 1, their offsets
  uint32_t embedding[32][4][2];  // of t = 2 i and 2 i + 1
};
// g_s for these kernels.
struct WideNetwork {
  // Operands of kWideStageBytes in the order of their use, as they stand in shared memory.
  // For wgmma, panels of 64 rows of 64 inputs (128-byte swizzle): the input layer, whose n-th 64 outputs have their
  // inputs in columns 16 (n % 4) to 16 (n % 4) + 15 of panel n / 4; for each block and every 64 outputs, four operands
  // of two panels, from kWideFirstStage on; the output layer. For mma, all outputs by 16 inputs, a pair of tiles of
  // eight outputs after another, four words for each lane; the output layer, step by step.
  const uint8_t* stages;
  const WideVectors* vectors;  // [levels][1 + depth]; layer 0 is the input layer
  const float* out_bias;       // [16]
  uint32_t depth;
};
// How many they are.
#ifdef __CUDACC__
__host__ __device__
#endif
    constexpr uint32_t
    wide_operands(uint32_t depth) {
  return 1 + depth * (kWideWidth / kWidePass) * (kWideWidth / kWideStageInputs) + 1;
}
// Chunks [first_chunk, first_chunk + 128) of a tile, as far as they exist.
struct WideItem {
  uint32_t tile, first_chunk;
};

// Weights of one tile that the network gave as not finite, waiting for patches.
inline constexpr uint32_t kMaxNonFinite = 12;
struct TileState {
  uint32_t side;  // offset of the patches in the tile
  uint32_t non_finite;
  uint32_t positions[kMaxNonFinite];
};

}  // namespace nwc::cuda
