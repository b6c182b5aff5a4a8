// The `fast` profile in one kernel: rANS words in, weights out, nothing else through device memory.
//
// A warp decodes a tile, a lane one of its interleaved states. Tiles whose runs are single groups give a lane all 16 latents of its chunk in
// 16 steps; 32 chunks then go through g_s on the tensor cores (mma.m16n8k16, chunks as rows, so that a layer's result is in the next
// layer's operand layout) and leave as rows of 32 neighbouring columns. Activations are binary16: a chunk that leaves its range gives
// something not finite, and is then done again in binary32 by the rules of docs/format.md. Blocks stay while there are tiles, with the
// tables of one level in shared memory.
#include <cuda_runtime.h>

#include "cuda/kernels.h"
#include "cuda/tile_access.cuh"

namespace nwc::cuda {
namespace {

constexpr uint32_t kC = kFastLatents, kN = kFastChunk, kW = kFastWidth;
constexpr uint32_t kRingWords = 128, kSegmentWords = 64;  // a refill brings 128 bytes, a word of 32 bits per lane
constexpr uint32_t kLatentStride = 48;                    // bytes from a chunk's latents to the next one's: no bank conflicts for ldmatrix
constexpr uint32_t kRowStride = 80;                       // bytes of a row of 32 weights, likewise

struct WarpBuffers {
  uint32_t ring[kRingWords / 2];
  alignas(16) uint8_t staging[32 * kLatentStride];  // latents of 32 chunks, then 16 rows of weights
  float scales[32];
};
static_assert(16 * kRowStride <= 32 * kLatentStride);
struct Shared {
  FastTables tables;
  FastNetwork network;
  uint32_t next_tile;
};

__device__ inline uint32_t shared_address(const void* p) { return static_cast<uint32_t>(__cvta_generic_to_shared(p)); }

__device__ inline __half2 as_half2(uint32_t bits) { return *reinterpret_cast<const __half2*>(&bits); }
__device__ inline uint32_t bits_of(__half2 v) { return *reinterpret_cast<const uint32_t*>(&v); }

__device__ inline void ldmatrix(uint32_t (&a)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3]) : "r"(address) : "memory");
}
// d = a b + c with binary16 results.
__device__ inline void mma_half(uint32_t (&d)[2], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, uint32_t c0, uint32_t c1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%0,%1}, {%2,%3,%4,%5}, {%6,%7}, {%8,%9};"
      : "=r"(d[0]), "=r"(d[1]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "r"(c0), "r"(c1));
}
// d += a b with binary32 sums.
__device__ inline void mma_float(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// The words of one tile on their way through shared memory. Reads nothing outside the tile but the rest of its last 32-bit word.
struct WordStream {
  uint32_t* ring;
  const uint32_t* source;  // aligned down
  uint32_t source_words, shift;  // of 32 bits; 8 * the bytes that were aligned away
  uint32_t filled = 0, low, high;  // words in the ring so far; the next 128 bytes, already asked for

  __device__ WordStream(uint32_t* ring_, const uint8_t* words, const uint8_t* end, uint32_t lane) : ring(ring_) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(words);
    source = reinterpret_cast<const uint32_t*>(address & ~uintptr_t{3});
    shift = 8 * (address & 3);
    source_words = static_cast<uint32_t>((reinterpret_cast<uintptr_t>(end) - reinterpret_cast<uintptr_t>(source) + 3) / 4);
    ask(lane);
  }
  __device__ void ask(uint32_t lane) {
    const uint32_t at = filled / 2 + lane;
    low = at < source_words ? __ldg(source + at) : 0;
    high = at + 1 < source_words ? __ldg(source + at + 1) : 0;
  }
  __device__ void push(uint32_t lane) {
    __syncwarp();
    ring[(filled / 2 + lane) % (kRingWords / 2)] = __funnelshift_r(low, high, shift);
    filled += kSegmentWords;
    ask(lane);
    __syncwarp();
  }
};

// One step: the symbol of a lane's state, and words for the states that fell below their bound.
__device__ inline FastSymbol step(uint32_t& state, uint32_t& next, const Shared& shared, uint32_t c, const uint16_t* ring, uint32_t active_lanes,
                                  uint32_t lanes_below, uint32_t& symbol) {
  symbol = shared.tables.symbol_of_slot[c][state & (kSlots - 1)];
  const FastSymbol entry = shared.tables.symbols[c][symbol];
  state += (state >> 12) * static_cast<uint32_t>(entry.frequency_less_total) - (entry.latent_and_start & 0xFFFF);
  const bool wants = state < kLowerBound;
  const uint32_t wanting = __ballot_sync(kAllLanes, wants) & active_lanes;
  if (wants) state = state << 16 | ring[(next + __popc(wanting & lanes_below)) % kRingWords];
  next += __popc(wanting);
  return entry;
}

struct Cursor {  // where a group begins, to decode it again
  uint32_t state, next, side;
};

// A group of chunks in binary32, from its words on: the rare case, one chunk per lane. Returns how many weights are not finite; they are
// appended to `pending`.
__device__ __noinline__ void decode_exactly(const Tile& tile, const Group& group, const Network& net, const TileHead& head, Cursor cursor,
                                            uint32_t first_chunk, uint32_t lane, uint32_t& non_finite, uint32_t& pending) {
  float x[kW], u[kW];
  const bool active = first_chunk + lane < tile.chunks;
  SideReader side{tile.bytes, cursor.side, tile.size};
  for (uint32_t c = 0; c < kC; ++c) {
    const Channel& channel = group.channels[c];
    const uint32_t entry = channel.slots[cursor.state & (kSlots - 1)];
    if (active) cursor.state = (entry >> 8 & 0xFFF) * (cursor.state >> 12) + (entry >> 20);
    const uint32_t wanting = __ballot_sync(kAllLanes, active && cursor.state < kLowerBound);
    if (wanting >> lane & 1) {
      const uint32_t at = cursor.next + __popc(wanting & ((1u << lane) - 1));
      cursor.state = cursor.state << 16 | (at < head.word_count ? tile.bytes[head.words_at + 2 * at] | tile.bytes[head.words_at + 2 * at + 1] << 8 : 0);
    }
    cursor.next += __popc(wanting);
    int32_t value = channel.minimum + static_cast<int32_t>(entry & 0xFF);
    for (uint32_t escaped = __ballot_sync(kAllLanes, active && (entry & 0xFF) == channel.escape); escaped != 0; escaped &= escaped - 1) {
      int32_t spelled = 0;
      side.escape(spelled);  // was read before, so it is sound
      if (lane == static_cast<uint32_t>(__ffs(escaped)) - 1) value = spelled;
    }
    x[c] = static_cast<float>(value) + channel.center;
  }
  const auto linear = [](const Linear& layer, const float* in, float* out) {
    for (uint32_t j = 0; j < layer.outputs; ++j) {
      const float* const weights = layer.packed + j / 8 * 8 * layer.inputs + j % 8;
      float acc = layer.bias[j];
      for (uint32_t k = 0; k < layer.inputs; ++k) acc = __fmaf_rn(weights[8 * k], in[k], acc);
      out[j] = acc;
    }
  };
  float h[kW];
  linear(net.in, x, h);
  for (uint32_t b = 0; b < net.depth; ++b) {
    const Block& block = net.blocks[b];
    const float* const embedding = net.embeddings + ((net.embedding_sets == 1 ? 0 : b) * net.levels + group.level) * kW;
    linear(block.linear, h, u);
    float sum = 0, squares = 0;
    for (uint32_t j = 0; j < kW; ++j) sum = __fadd_rn(sum, u[j]);
    const float mean = __fdiv_rn(sum, static_cast<float>(kW));
    for (uint32_t j = 0; j < kW; ++j) squares = __fmaf_rn(__fsub_rn(u[j], mean), __fsub_rn(u[j], mean), squares);
    const float r = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(__fdiv_rn(squares, static_cast<float>(kW)), 1e-5f)));
    for (uint32_t j = 0; j < kW; ++j) {
      const float a = __fmaf_rn(__fmul_rn(__fsub_rn(u[j], mean), r), block.gain[j], block.offset[j]);
      h[j] = __fmul_rn(__fadd_rn(h[j], a > 0.0f ? a : 0.0f), embedding[j]);
    }
  }
  linear(net.out, h, u);
  const uint32_t chunk = first_chunk + lane;
  for (uint32_t j = 0; j < kN; ++j) {
    const bool lost = active && !finite(u[j]);
    if (active && !lost) {
      const Place place = place_of(group, tile, chunk, kN);
      store_weight(group, place.row + j, place.column, u[j]);
    }
    for (uint32_t losses = __ballot_sync(kAllLanes, lost); losses != 0; losses &= losses - 1) {
      const uint32_t position = (first_chunk + static_cast<uint32_t>(__ffs(losses)) - 1) * kN + j;
      if (lane == non_finite) pending = position;  // lane n keeps the n-th
      ++non_finite;
    }
  }
}

// Spelled-out latents of the group in `rows`, in the order of the stream. False if they are damaged.
__device__ __noinline__ bool read_escapes(SideReader& side, const Group& group, uint8_t* row, uint32_t lane) {
  for (uint32_t c = 0; c < kC; ++c) {
    __half* const latent = reinterpret_cast<__half*>(row) + c;
    for (uint32_t escaped = __ballot_sync(kAllLanes, __hisnan(*latent)); escaped != 0; escaped &= escaped - 1) {
      int32_t value;
      if (!side.escape(value)) return false;
      if (lane == static_cast<uint32_t>(__ffs(escaped)) - 1) *latent = __float2half_rn(static_cast<float>(value) + group.channels[c].center);
    }
  }
  return true;
}

__device__ inline uint4 fragment(const FastNetwork& network, uint32_t index, uint32_t lane) {
  return *reinterpret_cast<const uint4*>(network.words[index][lane]);
}

// x = max(0, layer_norm(W h + b)) of 16 chunks: h, x in the layout of mma's results, a pair of registers per 8 outputs.
template <uint32_t kBlock>
__device__ inline void residual(const FastNetwork& network, uint32_t (&h)[4][2], uint32_t lane) {
  constexpr uint32_t kWeights = 2 + 4 * kBlock, kVectors = 13 + 3 * kBlock;
  const uint32_t a[2][4] = {{h[0][0], h[0][1], h[1][0], h[1][1]}, {h[2][0], h[2][1], h[3][0], h[3][1]}};
  uint32_t u[4][2];
  const uint4 bias4 = fragment(network, kVectors, lane);
  const uint32_t bias[4] = {bias4.x, bias4.y, bias4.z, bias4.w};
#pragma unroll
  for (uint32_t t = 0; t < 4; ++t) {
    const uint4 w = fragment(network, kWeights + t, lane);
    mma_half(u[t], a[0], w.x, w.y, bias[t], bias[t]);
    mma_half(u[t], a[1], w.z, w.w, u[t][0], u[t][1]);
  }
  // Sums of squares are the diagonal of U U^T; registers of an operand with chunks as rows serve as one with chunks as columns.
  float low[4] = {}, high[4] = {};
#pragma unroll
  for (uint32_t s = 0; s < 2; ++s) {
    const uint32_t v[4] = {u[2 * s][0], u[2 * s][1], u[2 * s + 1][0], u[2 * s + 1][1]};
    mma_float(low, v, v[0], v[2]);
    mma_float(high, v, v[1], v[3]);
  }
  const uint32_t quad = lane / 4, diagonal = quad * 4 + quad / 2;
  const float squares_low = __shfl_sync(kAllLanes, quad % 2 ? low[1] : low[0], diagonal);
  const float squares_high = __shfl_sync(kAllLanes, quad % 2 ? high[3] : high[2], diagonal);
  const float r_low = rsqrtf(fmaf(squares_low, 1.0f / kW, 1e-5f)), r_high = rsqrtf(fmaf(squares_high, 1.0f / kW, 1e-5f));
  // Below 2^-13 binary16 loses digits: let binary32 do it. (NaN stays NaN.)
  const __half2 r[2] = {__float2half2_rn(r_low < 0x1p-13f ? __int_as_float(0x7FC00000) : r_low),
                        __float2half2_rn(r_high < 0x1p-13f ? __int_as_float(0x7FC00000) : r_high)};
  const uint4 gain4 = fragment(network, kVectors + 1, lane), offset4 = fragment(network, kVectors + 2, lane);
  const uint32_t gain[4] = {gain4.x, gain4.y, gain4.z, gain4.w}, offset[4] = {offset4.x, offset4.y, offset4.z, offset4.w};
#pragma unroll
  for (uint32_t t = 0; t < 4; ++t) {
#pragma unroll
    for (uint32_t i = 0; i < 2; ++i) {
      const __half2 x = __hfma2_relu(__hmul2(as_half2(u[t][i]), r[i]), as_half2(gain[t]), as_half2(offset[t]));
      h[t][i] = bits_of(__hadd2(as_half2(h[t][i]), x));
    }
  }
}

// g_s of 32 chunks whose latents stand in `staging`: y[n][..] are rows lane / 4 and + 8 of chunks 8 n + 2 (lane % 4) and + 1, as mma
// leaves them: {row, chunk}, {row, chunk + 1}, {row + 8, chunk}, {row + 8, chunk + 1}.
__device__ inline void synthesise(const FastNetwork& network, const uint8_t* staging, uint32_t lane, float (&y)[4][4]) {
#pragma unroll
  for (uint32_t m = 0; m < 2; ++m) {
    uint32_t z[4];
    ldmatrix(z, shared_address(staging) + (m * 16 + lane % 16) * kLatentStride + lane / 16 * 16);
    uint32_t h[4][2];
    const uint4 bias4 = fragment(network, 12, lane);
    const uint32_t bias[4] = {bias4.x, bias4.y, bias4.z, bias4.w};
    const uint4 in0 = fragment(network, 0, lane), in1 = fragment(network, 1, lane);
    mma_half(h[0], z, in0.x, in0.y, bias[0], bias[0]);
    mma_half(h[1], z, in0.z, in0.w, bias[1], bias[1]);
    mma_half(h[2], z, in1.x, in1.y, bias[2], bias[2]);
    mma_half(h[3], z, in1.z, in1.w, bias[3], bias[3]);
    residual<0>(network, h, lane);
    const uint4 embedding4 = fragment(network, 19, lane);
    const uint32_t embedding[4] = {embedding4.x, embedding4.y, embedding4.z, embedding4.w};
#pragma unroll
    for (uint32_t t = 0; t < 4; ++t) {
#pragma unroll
      for (uint32_t i = 0; i < 2; ++i) h[t][i] = bits_of(__hmul2(as_half2(h[t][i]), as_half2(embedding[t])));
    }
    residual<1>(network, h, lane);
#pragma unroll
    for (uint32_t half = 0; half < 2; ++half) {
      float (&out)[4] = y[2 * m + half];
      out[0] = out[1] = network.out_bias[lane / 4];
      out[2] = out[3] = network.out_bias[lane / 4 + 8];
#pragma unroll
      for (uint32_t s = 0; s < 2; ++s) {
        const uint4 w = fragment(network, 10 + s, lane);
        const uint32_t a[4] = {w.x, w.y, w.z, w.w};
        mma_float(out, a, h[2 * s][half], h[2 * s + 1][half]);
      }
    }
  }
}

// Two weights of neighbouring columns, rounded to nearest even; too large ones become the largest number.
__device__ inline uint32_t pack(float first, float second, uint32_t dtype) {
  uint32_t packed;
  if (dtype == kBF16) {
    first = fminf(fmaxf(first, -3.38953139e38f), 3.38953139e38f);
    second = fminf(fmaxf(second, -3.38953139e38f), 3.38953139e38f);
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(second), "f"(first));
  } else {
    first = fminf(fmaxf(first, -65504.0f), 65504.0f);
    second = fminf(fmaxf(second, -65504.0f), 65504.0f);
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(second), "f"(first));
  }
  return packed;
}

// Where the lane's chunk of the current group goes.
struct LanePlace {
  uint64_t stripe;
  uint32_t place;  // index into the group's columns

  __device__ LanePlace(const Group& group, const Tile& tile, uint32_t lane) {
    const uint64_t index = uint64_t{tile.first_place} + lane, stripes = index / group.count;
    stripe = tile.first_stripe + stripes;
    place = static_cast<uint32_t>(index - stripes * group.count);
  }
  __device__ void advance(uint32_t count) {
    if (count >= 64) {  // at most one stripe on
      place += 32;
      if (place >= count) place -= count, ++stripe;
    } else {
      place += 32;
      stripe += place / count;
      place %= count;
    }
  }
};

// Weights of a group of chunks, scaled, converted and written. `column`, `scale` are the lane's chunk's.
__device__ inline void store_group(const Group& group, const float (&y)[4][4], WarpBuffers& buffers, uint32_t lane, bool active, uint64_t stripe,
                                   uint32_t column, float scale) {
  const uint64_t first_row = __shfl_sync(kAllLanes, stripe, 0) * kN;
  const uint32_t first_column = __shfl_sync(kAllLanes, column, 0);
  const bool lane_fits = active && stripe * kN == first_row && column == first_column + lane;
  const bool together = __all_sync(kAllLanes, lane_fits) && group.column_step == 1 && first_row >= group.row_begin && first_row + kN <= group.row_end &&
                        first_column >= group.column_begin && uint64_t{first_column} + 32 <= group.column_end;
  __syncwarp();
  buffers.scales[lane] = scale;
  __syncwarp();
  // A group may straddle two stripes, so factors of rows are the lanes' own unless all are in one.
  const bool one_stripe = __all_sync(kAllLanes, !active || stripe * kN == first_row);
  float factor_low = 1, factor_high = 1;
  if (group.factors != nullptr && one_stripe) {
    const uint64_t low = first_row + lane / 4, high = low + 8;
    if (low < group.row_end) factor_low = group.factors[low];
    if (high < group.row_end) factor_high = group.factors[high];
  }
  if (one_stripe || group.factors == nullptr) {
#pragma unroll
    for (uint32_t n = 0; n < 4; ++n) {
      const float2 s = *reinterpret_cast<const float2*>(&buffers.scales[8 * n + 2 * (lane % 4)]);
      uint8_t* const at = buffers.staging + lane / 4 * kRowStride + 16 * n + 4 * (lane % 4);
      *reinterpret_cast<uint32_t*>(at) = pack(__fmul_rn(__fmul_rn(y[n][0], s.x), factor_low), __fmul_rn(__fmul_rn(y[n][1], s.y), factor_low), group.dtype);
      *reinterpret_cast<uint32_t*>(at + 8 * kRowStride) =
          pack(__fmul_rn(__fmul_rn(y[n][2], s.x), factor_high), __fmul_rn(__fmul_rn(y[n][3], s.y), factor_high), group.dtype);
    }
    __syncwarp();
    const int64_t row_at = static_cast<int64_t>(first_row - group.row_begin), column_at = static_cast<int64_t>(first_column - group.column_begin);
    uint16_t* const corner = static_cast<uint16_t*>(group.out) + row_at * group.row_step + column_at;
    if (together && (reinterpret_cast<uintptr_t>(corner) & 15) == 0 && group.row_step % 8 == 0) {
#pragma unroll
      for (uint32_t i = 0; i < 2; ++i) {
        const uint32_t row = lane / 4 + 8 * i, piece = lane % 4;
        *reinterpret_cast<uint4*>(corner + row * group.row_step + 8 * piece) =
            *reinterpret_cast<const uint4*>(buffers.staging + row * kRowStride + 16 * piece);
      }
    } else if (active && column >= group.column_begin && column < group.column_end) {
      const uint64_t row = stripe * kN;
      for (uint32_t j = 0; j < kN; ++j) {
        if (row + j < group.row_begin || row + j >= group.row_end) continue;
        const int64_t at = static_cast<int64_t>(row + j - group.row_begin) * group.row_step + static_cast<int64_t>(column - group.column_begin) * group.column_step;
        static_cast<uint16_t*>(group.out)[at] = *reinterpret_cast<const uint16_t*>(buffers.staging + j * kRowStride + 2 * lane);
      }
    }
  } else {
    // Both stripes' factors: half the rows at a time as binary32 through shared memory, so that a lane has its own chunk.
    float* const rows = reinterpret_cast<float*>(buffers.staging);
#pragma unroll
    for (uint32_t half = 0; half < 2; ++half) {
      __syncwarp();
#pragma unroll
      for (uint32_t n = 0; n < 4; ++n) {
        rows[lane / 4 * 32 + 8 * n + 2 * (lane % 4)] = y[n][2 * half];
        rows[lane / 4 * 32 + 8 * n + 2 * (lane % 4) + 1] = y[n][2 * half + 1];
      }
      __syncwarp();
      for (uint32_t j = 0; active && j < 8; ++j) store_weight(group, stripe * kN + 8 * half + j, column, rows[j * 32 + lane]);
    }
  }
  __syncwarp();
}

template <bool kSymbolsOnly>
__device__ uint32_t decode_tile(const Tile& tile, const Group& group, const Network* network, const Shared& shared, WarpBuffers& buffers,
                                uint8_t* symbols, uint32_t lane) {
  TileHead head;
  if (!open_tile(tile, lane, head)) return kTileDamaged;
  WordStream words(buffers.ring, tile.bytes + head.words_at, tile.bytes + head.side_at, lane);
  const uint16_t* const ring = reinterpret_cast<const uint16_t*>(buffers.ring);
  const uint32_t lanes_below = (1u << lane) - 1;
  uint32_t state = head.state, next = 0, non_finite = 0, pending = ~0u;
  SideReader side{tile.bytes, head.side_at, tile.size};
  LanePlace place(group, tile, lane);
  for (uint32_t first = 0; first < tile.chunks; first += 32) {
    const bool active = first + lane < tile.chunks;
    const uint32_t left = tile.chunks - first, active_lanes = left >= 32 ? kAllLanes : (1u << left) - 1;
    if (!active && state != kLowerBound) state = 0;  // its last step is behind it; 0 shows at the end
    const uint32_t resting = state;
    const Cursor cursor{state, next, side.at};
    const uint32_t column = kSymbolsOnly || !active ? 0 : group.columns != nullptr ? group.columns[place.place] : place.place;
    const float scale = kSymbolsOnly || !active ? 0.0f : group.scales[column];
    uint32_t z[kC / 2];
    uint4 row_symbols{};
    uint32_t* const packed_symbols = reinterpret_cast<uint32_t*>(&row_symbols);
#pragma unroll
    for (uint32_t c = 0; c < kC; c += 2) {
      if (words.filled - next < 64) words.push(lane);  // two steps take at most 64 words
      uint32_t symbol[2];
      const FastSymbol a = step(state, next, shared, c, ring, active_lanes, lanes_below, symbol[0]);
      const FastSymbol b = step(state, next, shared, c + 1, ring, active_lanes, lanes_below, symbol[1]);
      if (kSymbolsOnly) packed_symbols[c / 4] |= (symbol[0] | symbol[1] << 8) << 16 * (c / 2 % 2);
      z[c / 2] = __byte_perm(a.latent_and_start, b.latent_and_start, 0x7632);
    }
    if (!active) state = resting;
    if (kSymbolsOnly) {
      if (active) *reinterpret_cast<uint4*>(symbols + (size_t{tile.first_block} * 32 + first + lane) * kC) = row_symbols;
      continue;
    }
    // NaN marks an escape.
    __half2 any = __hmul2(as_half2(z[0]), __half2(0, 0));
#pragma unroll
    for (uint32_t i = 1; i < kC / 2; ++i) any = __hfma2(as_half2(z[i]), __half2(0, 0), any);
    const bool escaped = active && (__hisnan(__low2half(any)) || __hisnan(__high2half(any)));
    uint8_t* const row = buffers.staging + lane * kLatentStride;
    if (!active) {
#pragma unroll
      for (uint32_t i = 0; i < kC / 2; ++i) z[i] = 0;
    }
    reinterpret_cast<uint4*>(row)[0] = make_uint4(z[0], z[1], z[2], z[3]);
    reinterpret_cast<uint4*>(row)[1] = make_uint4(z[4], z[5], z[6], z[7]);
    if (__any_sync(kAllLanes, escaped) && !read_escapes(side, group, row, lane)) return kTileDamaged;
    __syncwarp();
    float y[4][4];
    synthesise(shared.network, buffers.staging, lane, y);
    float check = 0;
#pragma unroll
    for (uint32_t n = 0; n < 4; ++n) check = fmaf(y[n][0], 0.0f, fmaf(y[n][1], 0.0f, check));
    if (__all_sync(kAllLanes, check == 0.0f)) {
      store_group(group, y, buffers, lane, active, place.stripe, column, scale);
    } else {
      decode_exactly(tile, group, *network, head, cursor, first, lane, non_finite, pending);
      __syncwarp();
    }
    place.advance(group.count);
  }
  if (!__all_sync(kAllLanes, state == kLowerBound) || next != head.word_count) return kTileDamaged;
  if (kSymbolsOnly || (side.at == tile.size && non_finite == 0)) return kTileDecoded;
  if (non_finite > kMaxNonFinite) return kTileDamaged;
  const auto is_pending = [&](uint32_t position) { return __any_sync(kAllLanes, pending == position); };
  return apply_tile_patches(side, tile, group, kN, lane, is_pending) == non_finite ? kTileDecoded : kTileDamaged;
}

template <uint32_t kWarps, bool kSymbolsOnly>
__global__ void __launch_bounds__(32 * kWarps, 1)
fast_decode_kernel(const Segment* segments, uint32_t segment_count, const Tile* tiles, uint32_t tile_count, const Group* groups,
                   const Network* network, uint8_t* symbols, uint32_t* statuses) {
  extern __shared__ __align__(16) uint8_t memory[];
  Shared& shared = *reinterpret_cast<Shared*>(memory);
  WarpBuffers& buffers = reinterpret_cast<WarpBuffers*>(memory + (sizeof(Shared) + 15) / 16 * 16)[threadIdx.x / 32];
  const uint32_t lane = threadIdx.x % 32;
  // A run of neighbouring tiles each, so that tables are seldom loaded.
  const uint32_t begin = static_cast<uint32_t>(uint64_t{tile_count} * blockIdx.x / gridDim.x);
  const uint32_t end = static_cast<uint32_t>(uint64_t{tile_count} * (blockIdx.x + 1) / gridDim.x);
  for (uint32_t s = 0; s < segment_count; ++s) {
    const Segment segment = segments[s];
    if (segment.end <= begin) continue;
    if (segment.begin >= end) break;
    const uint32_t last = min(segment.end, end);
    __syncthreads();
    const auto copy = [](void* to, const void* from, uint32_t bytes) {
      for (uint32_t i = threadIdx.x; i < bytes / 16; i += 32 * kWarps) static_cast<uint4*>(to)[i] = __ldg(static_cast<const uint4*>(from) + i);
    };
    copy(&shared.tables, segment.tables, sizeof(FastTables));
    if (!kSymbolsOnly) copy(&shared.network, segment.network, sizeof(FastNetwork));
    if (threadIdx.x == 0) shared.next_tile = max(segment.begin, begin);
    __syncthreads();
    for (;;) {
      uint32_t number = 0;
      if (lane == 0) number = atomicAdd(&shared.next_tile, 1u);
      number = __shfl_sync(kAllLanes, number, 0);
      if (number >= last) break;
      const Tile tile = tiles[number];
      const uint32_t status = decode_tile<kSymbolsOnly>(tile, groups[tile.group], network, shared, buffers, symbols, lane);
      __syncwarp();
      if (lane == 0) statuses[number] = status;
    }
  }
}

template <uint32_t kWarps, bool kSymbolsOnly>
int launch(const Segment* segments, uint32_t segment_count, const Tile* tiles, uint32_t tile_count, const Group* groups, const Network* network,
           uint8_t* symbols, uint32_t* statuses, int multiprocessors, CUstream_st* stream) {
  if (tile_count == 0) return cudaSuccess;
  constexpr int kBytes = (sizeof(Shared) + 15) / 16 * 16 + kWarps * sizeof(WarpBuffers);
  const auto kernel = fast_decode_kernel<kWarps, kSymbolsOnly>;
  if (const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes)) return error;
  const uint32_t blocks = tile_count < static_cast<uint32_t>(multiprocessors) ? tile_count : static_cast<uint32_t>(multiprocessors);
  kernel<<<blocks, 32 * kWarps, kBytes, stream>>>(segments, segment_count, tiles, tile_count, groups, network, symbols, statuses);
  return cudaGetLastError();
}

#ifndef NWC_FAST_WARPS
#define NWC_FAST_WARPS 16
#endif

}  // namespace

int fast_decode(const Segment* segments, uint32_t segment_count, const Tile* tiles, uint32_t tile_count, const Group* groups,
                const Network* network, uint32_t* statuses, int multiprocessors, CUstream_st* stream) {
  return launch<NWC_FAST_WARPS, false>(segments, segment_count, tiles, tile_count, groups, network, nullptr, statuses, multiprocessors, stream);
}

int fast_symbols(const Segment* segments, uint32_t segment_count, const Tile* tiles, uint32_t tile_count, const Group* groups,
                 uint8_t* symbols, uint32_t* statuses, int multiprocessors, CUstream_st* stream) {
  return launch<32, true>(segments, segment_count, tiles, tile_count, groups, nullptr, symbols, statuses, multiprocessors, stream);
}

}  // namespace nwc::cuda
