// The CUDA kernels' entry points. They enqueue on `stream` and return a cudaError_t (0: accepted); they neither
// allocate, validate nor synchronise. cuda/decode/batch.cc prepares their arguments.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/decode/device_types.h"

struct CUstream_st;

namespace nwc::cuda {

// --- small codecs (the shipped `fast-*`): compressed bytes to weights in one kernel (F16, BF16)

// `shared_room`: bytes of shared memory that a block may have, at least so many.
uint32_t small_least_shared_bytes();
// Tables without raw bits, runs of one group. `network` is the codec's, in binary32, for the rare chunks that leave
// binary16.
int small_decode(SmallShape shape, const Segment* segments, uint32_t segment_count, const Tile* tiles,
                 uint32_t tile_count, const Group* groups, const Network* network, uint32_t* statuses,
                 int multiprocessors, uint32_t shared_room, CUstream_st* stream);
// The entropy decoder of small_decode() alone: tile t's symbols go to symbols[(first_block * 32 + chunk) * 16 +
// channel], shifted so that the escape is kSmallEscape. Patches and escapes are not read.
int small_symbols(const Segment* segments, uint32_t segment_count, const Tile* tiles, uint32_t tile_count,
                  const Group* groups, uint8_t* symbols, uint32_t* statuses, int multiprocessors, uint32_t shared_room,
                  CUstream_st* stream);

// y[b][row] += sum over columns of W[row][column] x[b][column]: weights go from the compressed bytes into the product.
// One matrix of plain orientation with one level and a multiple of 32 columns, not a slice; x: [batch][columns] in
// binary16, y: [batch][rows] in binary32, batch 1 to 16. A tile with patches, or with chunks that leave binary16, is
// refused (kTileDamaged): decode that matrix instead.
int small_product(SmallShape shape, const Segment* segments, uint32_t segment_count, const Tile* tiles,
                  uint32_t tile_count, const Group* groups, const Network* network, const void* x, float* y,
                  uint32_t batch, uint32_t columns, uint32_t rows, uint32_t* statuses, int multiprocessors,
                  uint32_t shared_room, CUstream_st* stream);
// The entropy decoder of small_decode() for codecs with other networks: does what decode_latents() does, for the tiles
// in segments.
int small_latents(const Segment* segments, uint32_t segment_count, const Tile* tiles, uint32_t tile_count,
                  const Group* groups, float* latents, TileState* states, uint32_t* repairs, uint32_t* statuses,
                  int multiprocessors, uint32_t shared_room, CUstream_st* stream);

// --- codecs with a trellis: compressed bytes to weights in one kernel

// So many words of tables have room in shared memory.
uint32_t plain_room(uint32_t shared_room);
// All tiles; clears and fills `states` for apply_patches().
int plain_decode(const PlainDecoding& task, const Tile* tiles, uint32_t tile_count, const Group* groups,
                 TileState* states, uint32_t* statuses, int multiprocessors, CUstream_st* stream);

// --- any codec, in passes over scratch memory

// Entropy decoding: a warp per tile without small_entropy; latents in binary32 to `latents`, escapes included. Clears
// `states` and `repairs`.
int decode_latents(const Tile* tiles, uint32_t tile_count, const Group* groups, uint32_t latents_per_chunk,
                   float* latents, TileState* states, uint32_t* repairs, uint32_t* statuses, CUstream_st* stream);
// The network in binary32, in the order of operations of the CPU kernels: the same bits. With `repairs` only the chunks
// whose bits are set there, block by block of 32; without, all. Blocks [first_block, end_block); `block_tiles` names
// the tile of each.
int exact_synthesis(const Network* network, uint32_t width, uint32_t outputs, uint32_t inputs, const Tile* tiles,
                    const uint32_t* block_tiles, uint32_t first_block, uint32_t end_block, const Group* groups,
                    const float* latents, const uint32_t* repairs, TileState* states, const uint32_t* statuses,
                    int multiprocessors, CUstream_st* stream);
// The network of wide codecs (the shipped `paper-*`) on Hopper's tensor cores, for decoding to F16 and BF16, and for
// encoding (F32): activations in binary16, sums in binary32. Chunks that leave binary16 get their bits in `repairs`
// set, for exact_synthesis(). Devices of compute capability 9.0 only.
int wide_synthesis(const WideNetwork* network, const Tile* tiles, const WideItem* items, uint32_t item_count,
                   const Group* groups, const float* latents, uint32_t* repairs, const uint32_t* statuses,
                   int multiprocessors, CUstream_st* stream);
// The same with mma.sync: any device.
int wide_synthesis_mma(const WideNetwork* network, const Tile* tiles, const WideItem* items, uint32_t item_count,
                       const Group* groups, const float* latents, uint32_t* repairs, const uint32_t* statuses,
                       int multiprocessors, CUstream_st* stream);
// Puts the patches in; refuses tiles whose weights stay not finite.
int apply_patches(const Tile* tiles, uint32_t tile_count, const Group* groups, uint32_t chunk_length,
                  const TileState* states, uint32_t* statuses, CUstream_st* stream);

}  // namespace nwc::cuda
