// The `fast` profile in one kernel: rANS words in, weights out, nothing else through device memory.
//
// A warp decodes a tile, a lane one of its interleaved states. Tiles whose runs are single groups give a lane all 16
// latents of its chunk in 16 steps; 32 chunks then go through g_s on the tensor cores (mma.m16n8k16, chunks as rows, so
// that a layer's result is in the next layer's operand layout) and leave as rows of 32 neighbouring columns.
// Activations are binary16: a chunk that leaves its range gives something not finite, and is then done again in
// binary32 by the rules of docs/format.md. Blocks stay while there are tiles, with the tables of one level in shared
// memory.
#include <cuda_runtime.h>

#include <type_traits>

#include "cuda/decode/kernels.h"
#include "cuda/decode/tile_access.cuh"

namespace nwc::cuda {
namespace {

constexpr uint32_t kC = kFastLatents, kN = kFastChunk, kW = kFastWidth;
constexpr uint32_t kSegmentWords = 128, kRingWords = 2 * kSegmentWords;  // a refill brings 8 bytes per lane
constexpr uint32_t kLinearWarps = 24, kMostWarps = 32;                   // in a block
constexpr uint32_t kFewWarps = 12;      // where shared memory has no room for more (compute capability 8.0)
constexpr uint32_t kStepsPerCheck = 4;  // steps between looks at the ring: they take at most kSegmentWords
constexpr uint32_t kLatentStride =
    48;                              // bytes from a chunk's latents to the next one's: no bank conflicts for ldmatrix
constexpr uint32_t kRowStride = 80;  // bytes of a row of 32 weights, likewise

// Where a tile stands while finish_group() works on one of its groups: the loop over groups hands everything over and
// takes it back, so that its values need not outlive the rare case, for which they would be in local memory all of the
// time. Nor are there calls, as functions out of line take registers from the whole kernel.
struct Progress {
  uint64_t stripe;
  uint32_t first, place;                // of the group
  uint32_t word;                        // where its words begin
  uint32_t next, filled;                // of the word stream, behind the group
  uint32_t words_at, word_count;        // of the tile
  uint32_t side;                        // where the next escape begins
  uint32_t pending_count;               // weights that are not finite
  uint32_t group_state[32], state[32];  // of the lanes, before and behind the group
  uint32_t pending[32];
};
// Aligned to the ring, so that an offset into it can be or-ed to its address.
struct alignas(512) WarpBuffers {
  uint32_t ring[kRingWords / 2];
  alignas(16) uint8_t staging[kN * 32 * sizeof(float)];  // latents of 32 chunks, then rows of weights
  float scales[32];
  Progress progress;
};
static_assert(sizeof(WarpBuffers::ring) == 512 && 32 * kLatentStride <= sizeof(WarpBuffers::staging));
struct alignas(4096) Shared {  // for the same reason
  FastTables tables;
  FastNetwork network;
  uint32_t next_tile;
};

__device__ inline uint32_t shared_address(const void* p) { return static_cast<uint32_t>(__cvta_generic_to_shared(p)); }

__device__ inline __half2 as_half2(uint32_t bits) { return *reinterpret_cast<const __half2*>(&bits); }
__device__ inline uint32_t bits_of(__half2 v) { return *reinterpret_cast<const uint32_t*>(&v); }

__device__ inline void ldmatrix(uint32_t (&a)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3])
               : "r"(address)
               : "memory");
}
// d = a b + c with binary16 results.
__device__ inline void mma_half(uint32_t (&d)[2], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, uint32_t c0,
                                uint32_t c1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%0,%1}, {%2,%3,%4,%5}, {%6,%7}, {%8,%9};"
      : "=r"(d[0]), "=r"(d[1])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "r"(c0), "r"(c1));
}
// d += a b with binary32 sums.
__device__ inline void mma_float(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// The words of one tile on their way through shared memory. Reads nothing outside the tile but the rest of its last
// 32-bit word.
struct WordStream {
  uint32_t* ring;
  const uint32_t* source;  // aligned down
  int32_t last;            // word of 32 bits; -1, still in the tile, if there are no words
  uint32_t shift;          // 8 * the bytes that were aligned away
  uint32_t filled;         // bytes in the ring so far
  uint32_t ahead[3];       // the lane's part of the next segment, already asked for

  // `filled` bytes stand in the ring from before.
  __device__ WordStream(uint32_t* ring_, const uint8_t* words, const uint8_t* end, uint32_t filled_, uint32_t lane)
      : ring(ring_), filled(filled_) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(words);
    source = reinterpret_cast<const uint32_t*>(address & ~uintptr_t{3});
    shift = 8 * (address & 3);
    last = static_cast<int32_t>((reinterpret_cast<uintptr_t>(end) - reinterpret_cast<uintptr_t>(source) + 3) / 4) - 1;
    ask(lane);
  }
  __device__ void ask(uint32_t lane) {
    const uint32_t at = filled / 4 + 2 * lane;
#pragma unroll
    for (uint32_t i = 0; i < 3; ++i)
      ahead[i] = __ldg(source + min(static_cast<int32_t>(at + i), last));  // no select, which would wait for the load
  }
  __device__ void push(uint32_t lane) {
    __syncwarp();
    *reinterpret_cast<uint2*>(ring + (filled / 4 + 2 * lane) % (kRingWords / 2)) =
        make_uint2(__funnelshift_r(ahead[0], ahead[1], shift), __funnelshift_r(ahead[1], ahead[2], shift));
    filled += 2 * kSegmentWords;
    ask(lane);
    __syncwarp();
  }
};

// One step: the symbol of a lane's state, and words for the states that fell below `bound` (0 for a lane without a
// chunk). `next` is the byte of the next word. Returns the symbol's latent (upper half) and start.
template <uint32_t kChannel>
__device__ inline uint32_t step(uint32_t& state, uint32_t& next, uint32_t slots, uint32_t symbols, uint32_t ring,
                                uint32_t bound, uint32_t lanes_below, uint32_t& symbol) {
  uint32_t difference, latent_and_start;
  asm("ld.shared.u8 %0, [%1 + %2];" : "=r"(symbol) : "r"((state & (kSlots - 1)) | slots), "n"(kChannel * kSlots));
  asm("ld.shared.v2.u32 {%0, %1}, [%2 + %3];"
      : "=r"(difference), "=r"(latent_and_start)
      : "r"(symbols + 8 * symbol), "n"(kChannel * 2048));
  state += (state >> 12) * difference - (latent_and_start & 0xFFFF);
  asm volatile(
      "{\n"
      ".reg .pred wants;\n"
      ".reg .b32 wanting, at, word;\n"
      "setp.lt.u32 wants, %0, %2;\n"
      "vote.sync.ballot.b32 wanting, wants, 0xffffffff;\n"
      "and.b32 at, wanting, %3;\n"
      "popc.b32 at, at;\n"
      "mad.lo.u32 at, at, 2, %1;\n"
      "lop3.b32 at, at, 510, %4, 0xEA;\n"  // (at & 510) | ring
      "ld.shared.u16 word, [at];\n"
      "@wants prmt.b32 %0, word, %0, 0x5410;\n"
      "popc.b32 wanting, wanting;\n"
      "mad.lo.u32 %1, wanting, 2, %1;\n"
      "}"
      : "+r"(state), "+r"(next)
      : "r"(bound), "r"(lanes_below), "r"(ring)
      : "memory");
  return latent_and_start;
}

struct Cursor {  // where a group begins, to decode it again
  uint32_t state, word, side;
};

// A group of chunks in binary32, from its words on: the rare case, one chunk per lane. Returns how many weights are not
// finite; they are appended to `pending`.
struct Pending {
  uint32_t count, position;  // lane n keeps the n-th position
};
__device__ __forceinline__ Pending decode_exactly(const Tile* tile_, const Group* group_, const Network* net_,
                                                  uint32_t words_at, uint32_t word_count, Cursor cursor,
                                                  uint32_t first_chunk, uint32_t lane, Pending pending) {
  const Tile& tile = *tile_;
  const Group& group = *group_;
  const Network& net = *net_;
  float x[kW], u[kW];
  const bool active = first_chunk + lane < tile.chunks;
  SideReader side{tile.bytes, cursor.side, tile.size};
#pragma unroll 1
  for (uint32_t c = 0; c < kC; ++c) {
    const Channel& channel = group.channels[c];
    const uint32_t entry = channel.slots[cursor.state & (kSlots - 1)];
    if (active) cursor.state = (entry >> 8 & 0xFFF) * (cursor.state >> 12) + (entry >> 20);
    const uint32_t wanting = __ballot_sync(kAllLanes, active && cursor.state < kLowerBound);
    if (wanting >> lane & 1) {
      const uint32_t at = cursor.word + __popc(wanting & ((1u << lane) - 1));
      cursor.state = cursor.state << 16 |
                     (at < word_count ? tile.bytes[words_at + 2 * at] | tile.bytes[words_at + 2 * at + 1] << 8 : 0);
    }
    cursor.word += __popc(wanting);
    int32_t value = channel.minimum + static_cast<int32_t>(entry & 0xFF);
    for (uint32_t escaped = __ballot_sync(kAllLanes, active && (entry & 0xFF) == channel.escape); escaped != 0;
         escaped &= escaped - 1) {
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
  if (net.depth == 0) {
    for (uint32_t k = 0; k < kC; ++k) h[k] = __fmul_rn(x[k], net.embeddings[group.level * kC + k]);
  } else {
    linear(net.in, x, h);
  }
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
      if (lane == pending.count) pending.position = position;
      ++pending.count;
    }
  }
  return pending;
}

// Spelled-out latents of the group in the lanes' rows, in the order of the stream. Returns where the next escape
// begins, ~0u if they are damaged.
__device__ __forceinline__ uint32_t read_escapes(const uint8_t* bytes, uint32_t at, uint32_t end,
                                                 const Channel* channels, uint8_t* row, uint32_t lane) {
  SideReader side{bytes, at, end};
#pragma unroll 1
  for (uint32_t c = 0; c < kC; ++c) {
    __half* const latent = reinterpret_cast<__half*>(row) + c;
    for (uint32_t escaped = __ballot_sync(kAllLanes, __hisnan(*latent)); escaped != 0; escaped &= escaped - 1) {
      int32_t value;
      if (!side.escape(value)) return ~0u;
      if (lane == static_cast<uint32_t>(__ffs(escaped)) - 1)
        *latent = __float2half_rn(static_cast<float>(value) + channels[c].center);
    }
  }
  return side.at;
}

struct Words {
  uint32_t w[4];
};
__device__ inline Words weight(const FastNetwork& network, uint32_t index, uint32_t lane) {
  const uint4 v = *reinterpret_cast<const uint4*>(network.weights[index][lane]);
  return {{v.x, v.y, v.z, v.w}};
}
__device__ inline Words vector(const FastNetwork& network, uint32_t index, uint32_t lane) {
  const uint4 v = *reinterpret_cast<const uint4*>(network.vectors[index][lane % 4]);
  return {{v.x, v.y, v.z, v.w}};
}

// h += max(0, layer_norm(W h + b)) of 32 chunks: h[m][t] are outputs 8 t.. of chunks 16 m.. in the layout of mma's
// results.
template <uint32_t kBlock>
__device__ inline void residual(const FastNetwork& network, uint32_t (&h)[2][4][2], uint32_t lane) {
  uint32_t u[2][4][2];
  const Words bias = vector(network, 1 + 3 * kBlock, lane);
#pragma unroll
  for (uint32_t t = 0; t < 4; ++t) {
    const Words w = weight(network, 2 + 4 * kBlock + t, lane);
#pragma unroll
    for (uint32_t m = 0; m < 2; ++m) {
      const uint32_t a[2][4] = {{h[m][0][0], h[m][0][1], h[m][1][0], h[m][1][1]},
                                {h[m][2][0], h[m][2][1], h[m][3][0], h[m][3][1]}};
      mma_half(u[m][t], a[0], w.w[0], w.w[1], bias.w[t], bias.w[t]);
      mma_half(u[m][t], a[1], w.w[2], w.w[3], u[m][t][0], u[m][t][1]);
    }
  }
  // Sums of squares are the diagonal of U U^T; registers of an operand with chunks as rows serve as one with chunks as
  // columns.
  const uint32_t quad = lane / 4, diagonal = quad * 4 + quad / 2;
  __half2 r[2][2];
#pragma unroll
  for (uint32_t m = 0; m < 2; ++m) {
    float low[4] = {}, high[4] = {};
#pragma unroll
    for (uint32_t s = 0; s < 2; ++s) {
      const uint32_t v[4] = {u[m][2 * s][0], u[m][2 * s][1], u[m][2 * s + 1][0], u[m][2 * s + 1][1]};
      mma_float(low, v, v[0], v[2]);
      mma_float(high, v, v[1], v[3]);
    }
    const float squares[2] = {__shfl_sync(kAllLanes, quad % 2 ? low[1] : low[0], diagonal),
                              __shfl_sync(kAllLanes, quad % 2 ? high[3] : high[2], diagonal)};
#pragma unroll
    for (uint32_t i = 0; i < 2; ++i) {
      float scale;
      asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(scale) : "f"(fmaf(squares[i], 1.0f / kW, 1e-5f)));
      // Below 2^-13 binary16 loses digits: let binary32 do it. (NaN stays NaN.)
      r[m][i] = __float2half2_rn(scale < 0x1p-13f ? __int_as_float(0x7FC00000) : scale);
    }
  }
  const Words gain = vector(network, 2 + 3 * kBlock, lane), offset = vector(network, 3 + 3 * kBlock, lane);
#pragma unroll
  for (uint32_t m = 0; m < 2; ++m) {
#pragma unroll
    for (uint32_t t = 0; t < 4; ++t) {
#pragma unroll
      for (uint32_t i = 0; i < 2; ++i) {
        const __half2 x =
            __hfma2_relu(__hmul2(as_half2(u[m][t][i]), r[m][i]), as_half2(gain.w[t]), as_half2(offset.w[t]));
        h[m][t][i] = bits_of(__hadd2(as_half2(h[m][t][i]), x));
      }
    }
  }
}

// g_s of 32 chunks whose latents stand in `staging`: y[n][..] are rows lane / 4 and + 8 of chunks 8 n + 2 (lane % 4)
// and + 1, as mma leaves them: {row, chunk}, {row, chunk + 1}, {row + 8, chunk}, {row + 8, chunk + 1}.
struct Output {  // what a lane needs of the output layer
  Words weights;
  float bias_low, bias_high;
};
__device__ inline Output output_of(const FastNetwork& network, uint32_t lane) {
  return {weight(network, 10, lane), network.out_bias[lane / 4], network.out_bias[lane / 4 + 8]};
}
template <FastShape kShape>
__device__ inline void synthesise(const FastNetwork& network, const Output& output, const uint8_t* staging,
                                  uint32_t lane, float (&y)[4][4]) {
#pragma unroll
  for (uint32_t n = 0; n < 4; ++n) y[n][0] = y[n][1] = output.bias_low, y[n][2] = y[n][3] = output.bias_high;
  if constexpr (kShape == FastShape::kLinear) {
    const Words& w = output.weights;
#pragma unroll
    for (uint32_t m = 0; m < 2; ++m) {
      uint32_t z[4];  // of chunks 16 m.. and 16 m + 8.., first latents 0 to 7, then the others
      ldmatrix(z, shared_address(staging) + (m * 16 + lane % 16) * kLatentStride + lane / 16 * 16);
      mma_float(y[2 * m], w.w, z[0], z[2]);
      mma_float(y[2 * m + 1], w.w, z[1], z[3]);
    }
    return;
  }
  uint32_t h[2][4][2];
  {
    const Words in[2] = {weight(network, 0, lane), weight(network, 1, lane)}, bias = vector(network, 0, lane);
#pragma unroll
    for (uint32_t m = 0; m < 2; ++m) {
      uint32_t z[4];
      ldmatrix(z, shared_address(staging) + (m * 16 + lane % 16) * kLatentStride + lane / 16 * 16);
#pragma unroll
      for (uint32_t t = 0; t < 4; ++t)
        mma_half(h[m][t], z, in[t / 2].w[t % 2 * 2], in[t / 2].w[t % 2 * 2 + 1], bias.w[t], bias.w[t]);
    }
  }
  residual<0>(network, h, lane);
  const Words embedding = vector(network, 7, lane);
#pragma unroll
  for (uint32_t i = 0; i < 16; ++i)
    h[i / 8][i / 2 % 4][i % 2] =
        bits_of(__hmul2(as_half2(h[i / 8][i / 2 % 4][i % 2]), as_half2(embedding.w[i / 2 % 4])));
  residual<1>(network, h, lane);
#pragma unroll
  for (uint32_t s = 0; s < 2; ++s) {
    const Words w = weight(network, 10 + s, lane);
#pragma unroll
    for (uint32_t n = 0; n < 4; ++n) mma_float(y[n], w.w, h[n / 2][2 * s][n % 2], h[n / 2][2 * s + 1][n % 2]);
  }
}

// Two weights of neighbouring columns, rounded to nearest even; too large ones become the largest number.
template <uint32_t kType>
__device__ inline uint32_t pack(float first, float second) {
  uint32_t packed;
  if constexpr (kType == kBF16) {
    asm("cvt.rn.satfinite.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(second), "f"(first));
  } else {
    asm("cvt.rn.satfinite.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(second), "f"(first));
  }
  return packed;
}

__device__ inline bool all_finite(const float (&y)[4][4]) {
  float check[4];
#pragma unroll
  for (uint32_t n = 0; n < 4; ++n)
    check[n] = fmaf(y[n][3], 0.0f, fmaf(y[n][2], 0.0f, fmaf(y[n][1], 0.0f, y[n][0] * 0.0f)));
  return __all_sync(kAllLanes, check[0] + check[1] + (check[2] + check[3]) == 0.0f);
}

__device__ inline void scale_columns(float (&y)[4][4], const WarpBuffers& buffers, uint32_t lane) {
#pragma unroll
  for (uint32_t n = 0; n < 4; ++n) {
    const float2 s = *reinterpret_cast<const float2*>(&buffers.scales[8 * n + 2 * (lane % 4)]);
    y[n][0] *= s.x, y[n][1] *= s.y, y[n][2] *= s.x, y[n][3] *= s.y;
  }
}
template <uint32_t kType>
__device__ inline void pack_rows(const float (&y)[4][4], uint32_t (&low)[4], uint32_t (&high)[4]) {
#pragma unroll
  for (uint32_t n = 0; n < 4; ++n) low[n] = pack<kType>(y[n][0], y[n][1]), high[n] = pack<kType>(y[n][2], y[n][3]);
}
// Four blocks of eight rows by eight weights, side by side, from the layout of mma's results.
__device__ inline void put_blocks(uint8_t* rows, const uint32_t (&a)[4], uint32_t lane) {
#if __CUDA_ARCH__ >= 900
  const uint32_t address = shared_address(rows + lane % 8 * kRowStride + 16 * (lane / 8));
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1,%2,%3,%4};"
               :
               : "r"(address), "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3])
               : "memory");
#else
#pragma unroll
  for (uint32_t i = 0; i < 4; ++i)
    *reinterpret_cast<uint32_t*>(rows + lane / 4 * kRowStride + 16 * i + 4 * (lane % 4)) = a[i];
#endif
}

// The rows and columns of a group whose chunks are neighbouring columns of one stripe, inside the slice and on
// boundaries of 16 bytes: `to` is where the lane's eight weights of row lane / 4 go, those of row + 8 `eight_rows`
// bytes further.
__device__ inline void store_together(const uint32_t (&low)[4], const uint32_t (&high)[4], uint8_t* staging,
                                      uint8_t* to, int64_t eight_rows, uint32_t lane) {
  put_blocks(staging, low, lane);
  put_blocks(staging + 8 * kRowStride, high, lane);
  __syncwarp();
  const uint8_t* const from = staging + lane / 4 * kRowStride + 16 * (lane % 4);
  __stwb(reinterpret_cast<uint4*>(to), *reinterpret_cast<const uint4*>(from));
  __stwb(reinterpret_cast<uint4*>(to + eight_rows), *reinterpret_cast<const uint4*>(from + 8 * kRowStride));
}

// Any group: rows of 32 chunks in binary32, a lane writes its chunk's.
__device__ inline void store_apart(const Group* group, const float* rows, uint64_t stripe, uint32_t place,
                                   uint32_t lane, bool active) {
  if (!active) return;
  const uint64_t column = group->columns != nullptr ? group->columns[place] : place;
  const uint64_t row = stripe * kN;
  if (column < group->column_begin || column >= group->column_end) return;
  const float scale = group->scales[column];
  const float* const factors = group->factors;
  const uint32_t first = row >= group->row_begin ? 0 : static_cast<uint32_t>(min(group->row_begin - row, uint64_t{kN}));
  const uint32_t last = row >= group->row_end ? 0 : static_cast<uint32_t>(min(group->row_end - row, uint64_t{kN}));
  const int64_t step = group->row_step;
  uint16_t* const out = static_cast<uint16_t*>(group->out) +
                        (static_cast<int64_t>(row) - static_cast<int64_t>(group->row_begin)) * step +
                        static_cast<int64_t>(column - group->column_begin) * group->column_step;
  const bool bf16 = group->dtype == kBF16;
  for (uint32_t j = first; j < last; ++j) {
    const float weight = rows[j * 32 + lane] * scale * (factors != nullptr ? factors[row + j] : 1.0f);
    out[j * step] = static_cast<uint16_t>(bf16 ? pack<kBF16>(weight, 0.0f) : pack<kF16>(weight, 0.0f));
  }
}

// A group that is not all finite in binary16 or does not go to whole rows of 16 bytes; its latents stand in
// `buffers.staging`. False if the tile is damaged. All it needs stands in shared memory: see Progress.
template <FastShape kShape>
__device__ __forceinline__ bool finish_group(const Tile* tile, const Group* group, const Network* network,
                                             const FastNetwork* fast_network, WarpBuffers* buffers, uint32_t lane) {
  Progress& progress = buffers->progress;
  uint8_t* const staging = buffers->staging;
  const Output output = output_of(*fast_network, lane);
  const Cursor cursor{progress.group_state[lane], progress.word, progress.side};
  const uint32_t first = progress.first, count = group->count;
  uint64_t stripe = progress.stripe;
  uint32_t place = progress.place;
  __syncwarp();
  if (lane == 0)
    progress.first = first + 32, progress.stripe = stripe + (place + 32) / count, progress.place = (place + 32) % count;
  float y[4][4];
  synthesise<kShape>(*fast_network, output, staging, lane, y);
  bool finite_now = all_finite(y);
  __syncwarp();
  if (!finite_now) {  // NaN marks an escape; what is still not finite is too large for binary16
    const uint32_t side =
        read_escapes(tile->bytes, cursor.side, tile->size, group->channels, staging + lane * kLatentStride, lane);
    if (__any_sync(kAllLanes, side == ~0u)) return false;
    __syncwarp();
    if (lane == 0) progress.side = side;
    synthesise<kShape>(*fast_network, output, staging, lane, y);
    finite_now = all_finite(y);
    __syncwarp();
  }
  if (!finite_now) {
    const Pending pending = decode_exactly(tile, group, network, progress.words_at, progress.word_count, cursor, first,
                                           lane, {progress.pending_count, progress.pending[lane]});
    __syncwarp();
    progress.pending[lane] = pending.position;
    if (lane == 0) progress.pending_count = pending.count;
    __syncwarp();
    return true;
  }
  float* const rows = reinterpret_cast<float*>(staging) + lane / 4 * 32 + 2 * (lane % 4);
#pragma unroll
  for (uint32_t n = 0; n < 4; ++n) {
    *reinterpret_cast<float2*>(rows + 8 * n) = make_float2(y[n][0], y[n][1]);
    *reinterpret_cast<float2*>(rows + 8 * n + 8 * 32) = make_float2(y[n][2], y[n][3]);
  }
  __syncwarp();
  place += lane;
  if (place >= count) {
    stripe += place / count;
    place %= count;
  }
  store_apart(group, reinterpret_cast<const float*>(staging), stripe, place, lane, first + lane < tile->chunks);
  __syncwarp();
  return true;
}

// What is behind the words, if not nothing: patches, which may mend what is not finite.
__device__ __forceinline__ uint32_t finish_tile(const Tile* tile, const Group* group, const Progress* progress,
                                                uint32_t lane) {
  if (__any_sync(kAllLanes, progress->pending_count > kMaxNonFinite)) return kTileDamaged;
  const uint32_t position_of_lane = progress->pending[lane];
  const auto is_pending = [&](uint32_t position) { return __any_sync(kAllLanes, position_of_lane == position); };
  return apply_tile_patches({tile->bytes, progress->side, tile->size}, *tile, *group, kN, lane, is_pending) ==
                 progress->pending_count
             ? kTileDecoded
             : kTileDamaged;
}

template <uint32_t kNumber>
using Number = std::integral_constant<uint32_t, kNumber>;

// What becomes of the symbols.
enum class Mode { kWeights, kProduct, kLatents, kSymbols };

// Latents of a group in binary32, escapes included: what the general kernels go on with. Returns where the next escape
// begins, ~0u if they are damaged.
__device__ inline uint32_t store_latents(const uint32_t (&packed)[kC / 4], const Tile& tile, const Group* group,
                                         uint32_t side_at, float* latents, uint32_t first, uint32_t lane, bool active) {
  SideReader side{tile.bytes, side_at, tile.size};
  const size_t stride = size_t{(tile.chunks + 31) / 32} * 32;
  float* const to = latents + tile.latents_at + first + lane;
#pragma unroll
  for (uint32_t c = 0; c < kC; ++c) {
    const Channel& channel = group->channels[c];
    const uint32_t symbol = packed[c / 4] >> 8 * (c % 4) & 0xFF;
    int32_t value = channel.minimum + static_cast<int32_t>(symbol + channel.escape - kFastEscape);
    for (uint32_t escaped = __ballot_sync(kAllLanes, active && symbol == kFastEscape); escaped != 0;
         escaped &= escaped - 1) {
      int32_t spelled = 0;
      if (__any_sync(kAllLanes, !side.escape(spelled))) return ~0u;
      if (lane == static_cast<uint32_t>(__ffs(escaped)) - 1) value = spelled;
    }
    to[c * stride] = active ? static_cast<float>(value) + channel.center : 0.0f;
  }
  return side.at;
}

// A matrix-vector product's other factors: x is [batch][columns] in binary16, y [batch][rows] in binary32, added to.
// batch: 1 to 8, or 16.
struct Product {
  const __half* x;
  float* y;
  uint32_t batch, columns, rows;
};
__device__ inline void add_rows(const Product& product, const float (&sums)[2][4], uint64_t first_row, uint32_t lane) {
#pragma unroll
  for (uint32_t part = 0; part < 2; ++part) {
#pragma unroll
    for (uint32_t i = 0; i < 4; ++i) {
      const uint64_t row = first_row + lane / 4 + 8 * (i / 2);
      const uint32_t b = 8 * part + 2 * (lane % 4) + i % 2;
      if (row < product.rows && b < product.batch) atomicAdd(product.y + size_t{b} * product.rows + row, sums[part][i]);
    }
  }
}
// sums += W x of a group whose weights (scaled, 16 rows by 32 neighbouring columns) stand in y as mma leaves them.
__device__ inline void multiply(const float (&y)[4][4], const Product& product, uint32_t column, float (&sums)[2][4],
                                uint32_t lane) {
#pragma unroll
  for (uint32_t s = 0; s < 2; ++s) {
    const uint32_t a[4] = {pack<kF16>(y[2 * s][0], y[2 * s][1]), pack<kF16>(y[2 * s][2], y[2 * s][3]),
                           pack<kF16>(y[2 * s + 1][0], y[2 * s + 1][1]), pack<kF16>(y[2 * s + 1][2], y[2 * s + 1][3])};
#pragma unroll
    for (uint32_t part = 0; part < 2; ++part) {
      const uint32_t b = 8 * part + lane / 4;
      const bool has = b < product.batch;
      const uint32_t* const x =
          reinterpret_cast<const uint32_t*>(product.x + size_t{b} * product.columns + column + 16 * s + 2 * (lane % 4));
      if (part == 0 || product.batch > 8) mma_float(sums[part], a, has ? __ldg(x) : 0, has ? __ldg(x + 4) : 0);
    }
  }
}

template <Mode kMode, FastShape kShape>
__device__ inline uint32_t decode_tile(const Tile* tile, const Group* group, const Network* network,
                                       const Shared& shared, WarpBuffers& buffers, uint8_t* symbols, float* latents,
                                       TileState* tile_state, uint32_t* repairs, const Product& product,
                                       uint32_t lane) {
  constexpr bool kSymbolsOnly = kMode == Mode::kSymbols || kMode == Mode::kLatents;
  Progress& progress = buffers.progress;
  float sums[2][4] = {};
  if (kMode == Mode::kLatents) {
    if (lane == 0) tile_state->non_finite = 0;
    for (uint32_t g = lane; g < (tile->chunks + 31) / 32; g += 32) repairs[tile->first_block + g] = 0;
  }
  TileHead head;
  if (!open_tile(*tile, lane, head)) return kTileDamaged;
  uint32_t state = head.state, next = 0, filled = 0, side_at = head.side_at, first = 0, word_count = head.word_count;
  if (kMode == Mode::kWeights) {
    if (lane == 0)
      progress.words_at = head.words_at, progress.word_count = word_count, progress.side = side_at,
      progress.pending_count = 0;
    progress.pending[lane] = ~0u;
  }
  // Places: the group's first chunk is column number `place` of the level, in `stripe`.
  uint32_t place = tile->first_place;
  uint64_t stripe = tile->first_stripe;
  bool paused = false;
  do {
    if (kMode == Mode::kWeights && __any_sync(kAllLanes, paused)) {
      if (__any_sync(kAllLanes, !finish_group<kShape>(tile, group, network, &shared.network, &buffers, lane)))
        return kTileDamaged;
      state = progress.state[lane], next = progress.next, filled = progress.filled, first = progress.first,
      place = progress.place, stripe = progress.stripe;
      word_count = progress.word_count;
      paused = false;
    }
    const uint32_t words_at = 4 + 4 * min(tile->chunks, 32u);
    WordStream words(buffers.ring, tile->bytes + words_at, tile->bytes + words_at + 2 * word_count, filled, lane);
    const uint32_t chunks = tile->chunks, count = group->count;
    const uint32_t lanes_below = (1u << lane) - 1, ring = shared_address(buffers.ring);
    const uint32_t slot_table = shared_address(&shared.tables.symbol_of_slot),
                   symbol_table = shared_address(&shared.tables.symbols);
    const float* const scales = kSymbolsOnly ? nullptr : group->scales;
    Output output{};
    if (!kSymbolsOnly) output = output_of(shared.network, lane);
    // Of the stripe: groups from `begin` on that end at most at `end` are stored together; where the lane's next such
    // weights go; its rows' factors.
    uint32_t together_begin = 0, together_end = 0;
    uint8_t* to = nullptr;
    int64_t eight_rows = 0;
    float low = 1, high = 1;
    const auto enter_stripe = [&] {
      const uint64_t row = stripe * kN;
      const bool straight = group->columns == nullptr && group->column_step == 1 && group->row_step % 8 == 0 &&
                            reinterpret_cast<uintptr_t>(group->out) % 16 == 0;
      const uint32_t begin = static_cast<uint32_t>(group->column_begin);
      const bool inside = straight && (place - begin) % 8 == 0 && row >= group->row_begin && row + kN <= group->row_end;
      together_begin = begin, together_end = inside ? static_cast<uint32_t>(group->column_end) : 0;
      const int64_t row_bytes = 2 * group->row_step;
      to = static_cast<uint8_t*>(group->out) + (static_cast<int64_t>(row - group->row_begin) + lane / 4) * row_bytes +
           2 * (static_cast<int64_t>(place) - begin) + 16 * (lane % 4);
      eight_rows = 8 * row_bytes;
      if (group->factors != nullptr && inside)
        low = group->factors[row + lane / 4], high = group->factors[row + lane / 4 + 8];
    };
    if (kMode == Mode::kWeights) enter_stripe();
    const bool has_factors = kMode == Mode::kWeights && group->factors != nullptr,
               is_bf16 = kMode == Mode::kWeights && group->dtype == kBF16;

    for (; __any_sync(kAllLanes, first < chunks); first += 32) {
      const bool active = first + lane < chunks;
      if (!active && state != kLowerBound) state = 0;  // its last step is behind it; 0 shows at the end
      const uint32_t state_before = state, next_before = next;
      const uint32_t bound = active ? kLowerBound : 0;
      const bool together =
          kMode == Mode::kWeights &&
          __all_sync(kAllLanes, place >= together_begin && place + 32 <= together_end && first + 32 <= chunks);
      const float scale = kSymbolsOnly ? 0.0f : __ldg(scales + min(place + lane, count - 1));
      uint32_t z[kC / 2];
      uint32_t packed_symbols[kC / 4] = {};
      const auto pair = [&](auto channel) {
        constexpr uint32_t c = decltype(channel)::value;
        if (c % kStepsPerCheck == 0 && __any_sync(kAllLanes, words.filled - next < 2 * kSegmentWords))
          words.push(lane);  // uniform anyhow, but now nvcc sees it
        uint32_t symbol[2];
        const uint32_t a = step<c>(state, next, slot_table, symbol_table, ring, bound, lanes_below, symbol[0]);
        const uint32_t b = step<c + 1>(state, next, slot_table, symbol_table, ring, bound, lanes_below, symbol[1]);
        if (kSymbolsOnly) packed_symbols[c / 4] |= (symbol[0] | symbol[1] << 8) << 16 * (c / 2 % 2);
        z[c / 2] = __byte_perm(a, b, 0x7632);
      };
      pair(Number<0>()), pair(Number<2>()), pair(Number<4>()), pair(Number<6>());
      pair(Number<8>()), pair(Number<10>()), pair(Number<12>()), pair(Number<14>());
      if (!active) state = state_before;
      if (kSymbolsOnly) {
        if (kMode == Mode::kLatents) {
          side_at = store_latents(packed_symbols, *tile, group, side_at, latents, first, lane, active);
          if (__any_sync(kAllLanes, side_at == ~0u)) return kTileDamaged;
        } else if (active) {
          *reinterpret_cast<uint4*>(symbols + (size_t{tile->first_block} * 32 + first + lane) * kC) =
              make_uint4(packed_symbols[0], packed_symbols[1], packed_symbols[2], packed_symbols[3]);
        }
        continue;
      }
      uint8_t* const row = buffers.staging + lane * kLatentStride;
      if (first + 32 > chunks && !active) {
#pragma unroll
        for (uint32_t i = 0; i < kC / 2; ++i) z[i] = 0;
      }
      reinterpret_cast<uint4*>(row)[0] = make_uint4(z[0], z[1], z[2], z[3]);
      reinterpret_cast<uint4*>(row)[1] = make_uint4(z[4], z[5], z[6], z[7]);
      buffers.scales[lane] = scale;
      __syncwarp();
      float y[4][4];
      synthesise<kShape>(shared.network, output, buffers.staging, lane, y);
      bool finite_now = all_finite(y);
      __syncwarp();  // the latents are read; weights go where they were
      if (kMode == Mode::kProduct) {
        if (!finite_now) {  // NaN marks an escape
          side_at = read_escapes(tile->bytes, side_at, tile->size, group->channels, row, lane);
          if (__any_sync(kAllLanes, side_at == ~0u)) return kTileDamaged;
          __syncwarp();
          synthesise<kShape>(shared.network, output, buffers.staging, lane, y);
          if (!all_finite(y)) return kTileDamaged;  // the caller falls back
        }
        const float* const factors = group->factors != nullptr ? group->factors + stripe * kN : nullptr;
        const uint64_t row_low = stripe * kN + lane / 4;  // rows past the end are padding
        const float factor_low = factors != nullptr && row_low < product.rows ? factors[lane / 4] : 1.0f;
        const float factor_high = factors != nullptr && row_low + 8 < product.rows ? factors[lane / 4 + 8] : 1.0f;
#pragma unroll
        for (uint32_t n = 0; n < 4; ++n) {
          const float2 s = *reinterpret_cast<const float2*>(&buffers.scales[8 * n + 2 * (lane % 4)]);
          y[n][0] *= s.x * factor_low, y[n][1] *= s.y * factor_low, y[n][2] *= s.x * factor_high,
              y[n][3] *= s.y * factor_high;
        }
        multiply(y, product, place, sums, lane);
      } else if (finite_now && together) {
        scale_columns(y, buffers, lane);
        if (__any_sync(kAllLanes, has_factors)) {
#pragma unroll
          for (uint32_t n = 0; n < 4; ++n) y[n][0] *= low, y[n][1] *= low, y[n][2] *= high, y[n][3] *= high;
        }
        uint32_t packed_low[4], packed_high[4];
        if (__any_sync(kAllLanes, is_bf16)) {
          pack_rows<kBF16>(y, packed_low, packed_high);
        } else {
          pack_rows<kF16>(y, packed_low, packed_high);
        }
        store_together(packed_low, packed_high, buffers.staging, to, eight_rows, lane);
      } else {
        progress.group_state[lane] = state_before, progress.state[lane] = state;
        if (lane == 0) {
          progress.stripe = stripe, progress.first = first, progress.place = place, progress.word = next_before / 2;
          progress.next = next, progress.filled = words.filled;
        }
        __syncwarp();
        paused = true;
        break;
      }
      __syncwarp();
      place += 32, to += 64;
      if (__any_sync(kAllLanes, place >= count)) {
        if (kMode == Mode::kProduct) {
          add_rows(product, sums, stripe * kN, lane);
#pragma unroll
          for (uint32_t i = 0; i < 8; ++i) sums[i / 4][i % 4] = 0;
        }
        stripe += place / count;
        place %= count;
        if (kMode == Mode::kWeights) enter_stripe();
      }
    }
  } while (__any_sync(kAllLanes, paused));
  if (!__all_sync(kAllLanes, state == kLowerBound && next == 2 * word_count)) return kTileDamaged;
  if (kMode == Mode::kProduct) {
    add_rows(product, sums, stripe * kN, lane);
    return __all_sync(kAllLanes, side_at == tile->size) ? kTileDecoded : kTileDamaged;
  }
  if (kMode == Mode::kLatents && lane == 0) tile_state->side = side_at;
  if (kSymbolsOnly || __all_sync(kAllLanes, progress.side == tile->size && progress.pending_count == 0))
    return kTileDecoded;
  return finish_tile(tile, group, &progress, lane);
}

// By the whole block; there after cp.async.wait_all and a barrier.
template <uint32_t kWarps>
__device__ inline void copy_to_shared(void* to, const void* from, uint32_t bytes) {
  for (uint32_t at = 16 * threadIdx.x; at < bytes; at += 16 * 32 * kWarps) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;"
                 :
                 : "r"(shared_address(to) + at), "l"(static_cast<const uint8_t*>(from) + at)
                 : "memory");
  }
}
// Asks for a tile's bytes while the tables are on their way.
__device__ inline void prefetch(const Tile& tile, uint32_t lane) {
  constexpr uint32_t kLine = 128, kMost = 16384;
  for (uint32_t at = kLine * lane; at < min(tile.size, kMost); at += kLine * 32)
    asm volatile("prefetch.global.L2 [%0];" : : "l"(tile.bytes + at));
}

template <uint32_t kWarps, Mode kMode, FastShape kShape>
__global__ void __launch_bounds__(32 * kWarps, 1)
    fast_decode_kernel(const Segment* segments, uint32_t segment_count, const Tile* tiles, uint32_t tile_count,
                       const Group* groups, const Network* network, uint8_t* symbols, float* latents, TileState* states,
                       uint32_t* repairs, uint32_t* statuses, Product product) {
  extern __shared__ uint8_t memory[];
  // Aligned by hand: the window's own alignment is smaller.
  const uint32_t wasted = (alignof(Shared) - shared_address(memory) % alignof(Shared)) % alignof(Shared);
  Shared& shared = *reinterpret_cast<Shared*>(memory + wasted);
  WarpBuffers& buffers = reinterpret_cast<WarpBuffers*>(memory + wasted + sizeof(Shared))[threadIdx.x / 32];
  uint32_t lane;
  asm volatile("mov.u32 %0, %%laneid;" : "=r"(lane));  // volatile: read once, not wherever a register would be saved
  // A run of neighbouring tiles each, so that tables are seldom loaded.
  const uint32_t begin = static_cast<uint32_t>(uint64_t{tile_count} * blockIdx.x / gridDim.x);
  const uint32_t end = static_cast<uint32_t>(uint64_t{tile_count} * (blockIdx.x + 1) / gridDim.x);
  for (uint32_t s = 0; __any_sync(kAllLanes, s < segment_count); ++s) {
    const Segment segment = segments[s];
    if (__any_sync(kAllLanes, segment.end <= begin)) continue;
    if (__any_sync(kAllLanes, segment.begin >= end)) break;
    const uint32_t last = min(segment.end, end);
    __syncthreads();
    copy_to_shared<kWarps>(&shared.tables, segment.tables, sizeof(FastTables));
    if (kMode == Mode::kWeights || kMode == Mode::kProduct)
      copy_to_shared<kWarps>(&shared.network, segment.network, sizeof(FastNetwork));
    // The first tiles go to warps in turn, so that each scheduler has as many; the others to whichever is free.
    const uint32_t first = max(segment.begin, begin);
    if (threadIdx.x == 0) shared.next_tile = first + kWarps;
    uint32_t number = first + threadIdx.x / 32;
    if (number < last) prefetch(tiles[number], lane);
    asm volatile("cp.async.wait_all;" : : : "memory");
    __syncthreads();
    while (!__any_sync(kAllLanes, number >= last)) {
      const uint32_t status =
          decode_tile<kMode, kShape>(tiles + number, groups + tiles[number].group, network, shared, buffers, symbols,
                                     latents, states + number, repairs, product, lane);
      __syncwarp();
      if (lane == 0) {
        statuses[number] = status;
        number = atomicAdd(&shared.next_tile, 1u);
      }
      number = __shfl_sync(kAllLanes, number, 0);
    }
  }
}

template <uint32_t kWarps>
constexpr uint32_t kSharedBytes = static_cast<uint32_t>(alignof(Shared) + sizeof(Shared) +
                                                        kWarps * sizeof(WarpBuffers));

template <uint32_t kWarps, Mode kMode, FastShape kShape = FastShape::kLinear>
int launch(const Segment* segments, uint32_t segment_count, const Tile* tiles, uint32_t tile_count, const Group* groups,
           const Network* network, uint8_t* symbols, float* latents, TileState* states, uint32_t* repairs,
           uint32_t* statuses, const Product& product, int multiprocessors, uint32_t shared_room, CUstream_st* stream) {
  if (tile_count == 0 || segment_count == 0) return cudaSuccess;
  if constexpr (kWarps > kFewWarps) {
    if (kSharedBytes < kWarps >> shared_room) {
      return launch<kFewWarps, kMode, kShape>(segments, segment_count, tiles, tile_count, groups, network, symbols,
                                              latents, states, repairs, statuses, product, multiprocessors, shared_room,
                                              stream);
    }
  }
  constexpr int kBytes = kSharedBytes<kWarps>;
  const auto kernel = fast_decode_kernel<kWarps, kMode, kShape>;
  if (const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes))
    return error;
  const uint32_t blocks =
      tile_count < static_cast<uint32_t>(multiprocessors) ? tile_count : static_cast<uint32_t>(multiprocessors);
  kernel<<<blocks, 32 * kWarps, kBytes, stream>>>(segments, segment_count, tiles, tile_count, groups, network, symbols,
                                                  latents, states, repairs, statuses, product);
  return cudaGetLastError();
}

}  // namespace

uint32_t fast_least_shared_bytes() { return kSharedBytes<kFewWarps>; }

int fast_decode(FastShape shape, const Segment* segments, uint32_t segment_count, const Tile* tiles,
                uint32_t tile_count, const Group* groups, const Network* network, uint32_t* statuses,
                int multiprocessors, uint32_t shared_room, CUstream_st* stream) {
  // More warps are slower one by one, but save a second round where they take all tiles at once.
  const uint32_t each = (tile_count - 1) / static_cast<uint32_t>(multiprocessors) + 1;  // no tiles: launch() leaves
  const auto linear = each > kLinearWarps && each <= kMostWarps
                          ? launch<kMostWarps, Mode::kWeights, FastShape::kLinear>
                          : launch<kLinearWarps, Mode::kWeights, FastShape::kLinear>;
  const auto run = shape == FastShape::kLinear ? linear : launch<16, Mode::kWeights, FastShape::kResidual>;
  return run(segments, segment_count, tiles, tile_count, groups, network, nullptr, nullptr, nullptr, nullptr, statuses,
             {}, multiprocessors, shared_room, stream);
}

int fast_product(FastShape shape, const Segment* segments, uint32_t segment_count, const Tile* tiles,
                 uint32_t tile_count, const Group* groups, const Network* network, const void* x, float* y,
                 uint32_t batch, uint32_t columns, uint32_t rows, uint32_t* statuses, int multiprocessors,
                 uint32_t shared_room, CUstream_st* stream) {
  const Product product{static_cast<const __half*>(x), y, batch, columns, rows};
  const auto run = shape == FastShape::kLinear ? launch<kLinearWarps, Mode::kProduct, FastShape::kLinear>
                                               : launch<16, Mode::kProduct, FastShape::kResidual>;
  return run(segments, segment_count, tiles, tile_count, groups, network, nullptr, nullptr, nullptr, nullptr, statuses,
             product, multiprocessors, shared_room, stream);
}

int fast_latents(const Segment* segments, uint32_t segment_count, const Tile* tiles, uint32_t tile_count,
                 const Group* groups, float* latents, TileState* states, uint32_t* repairs, uint32_t* statuses,
                 int multiprocessors, uint32_t shared_room, CUstream_st* stream) {
  return launch<24, Mode::kLatents>(segments, segment_count, tiles, tile_count, groups, nullptr, nullptr, latents,
                                    states, repairs, statuses, {}, multiprocessors, shared_room, stream);
}

int fast_symbols(const Segment* segments, uint32_t segment_count, const Tile* tiles, uint32_t tile_count,
                 const Group* groups, uint8_t* symbols, uint32_t* statuses, int multiprocessors, uint32_t shared_room,
                 CUstream_st* stream) {
  return launch<32, Mode::kSymbols>(segments, segment_count, tiles, tile_count, groups, nullptr, symbols, nullptr,
                                    nullptr, nullptr, statuses, {}, multiprocessors, shared_room, stream);
}

}  // namespace nwc::cuda
