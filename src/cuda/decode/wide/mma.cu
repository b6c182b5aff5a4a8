// The wide network on tensor cores older than Hopper's, and on newer ones that have no wgmma: mma.sync.m16n8k16.
//
// A block takes 64 chunks through all layers. Their activations are in shared memory in the order of mma's operand A,
// so that a lane reads its part of a step as 16 bytes; results lie in the same layout, which makes the update of
// activations between layers private to each lane. Of the eight warps each has 32 chunks by 128 outputs: all 512 sums
// of a layer stand in registers when its squares are known. Weights stream through stages of shared memory by cp.async,
// all outputs by 16 inputs a stage.
#include <cuda_runtime.h>

#include "cuda/decode/kernels.h"
#include "cuda/decode/tile_access.cuh"
#include "cuda/support/ptx.cuh"

namespace nwc::cuda {
namespace {

constexpr uint32_t kW = kWideWidth, kSteps = kW / 16;
constexpr uint32_t kBlockChunks = 64, kRowTiles = kBlockChunks / 16;  // a row tile: 16 chunks
constexpr uint32_t kWarps = 8, kColumns = 4;    // warps side by side over the outputs, two over the chunks
constexpr uint32_t kTiles = kW / kColumns / 8;  // of eight outputs, of a warp
constexpr uint32_t kThreads = 32 * kWarps;
static_assert(kWideStageBytes == kW * 16 * 2 && kWideStageBytes == kSteps * 512 && kWideChunks % kBlockChunks == 0);

struct Shared {
  uint4 activations[kRowTiles][kSteps][32];
  float squares[kBlockChunks][kColumns];
};
constexpr size_t shared_bytes(uint32_t stages) { return sizeof(Shared) + stages * size_t{kWideStageBytes}; }

// d += a b.
__device__ inline void mma(float (&d)[4], const uint4& a, uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1));
}

// The pipeline of weights: the network's operands, again and again, kStages - 1 of them in flight.
template <uint32_t kStages>
struct Pipeline {
  const uint8_t* source;
  uint8_t* base;
  uint32_t count;             // operands of the network
  uint32_t issued = 0;        // next of these to load
  uint32_t to = 0, from = 0;  // stages

  __device__ void issue() {
    const uint8_t* const at = source + size_t{issued} * kWideStageBytes;
    const uint32_t there = static_cast<uint32_t>(__cvta_generic_to_shared(base + to * kWideStageBytes));
    for (uint32_t i = 16 * threadIdx.x; i < kWideStageBytes; i += 16 * kThreads)
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(there + i), "l"(at + i) : "memory");
    close_copies();
    issued = issued + 1 == count ? 0 : issued + 1;
    to = to + 1 == kStages ? 0 : to + 1;
  }
  // Waits for the next operand, once all warps have read the last one.
  __device__ const uint4* next() {
    wait_for_copies<kStages - 2>();
    __syncthreads();
    const uint8_t* const at = base + from * kWideStageBytes;
    from = from + 1 == kStages ? 0 : from + 1;
    issue();
    return reinterpret_cast<const uint4*>(at);
  }
};

// A layer of the warp's 32 chunks by 128 outputs, over `steps` operands of 16 inputs; activations become the next
// layer's.
template <bool kFirst, uint32_t kStages>
__device__ inline void layer(Shared& shared, const WideVectors& vectors, Pipeline<kStages>& pipeline, uint32_t steps,
                             uint32_t warp, uint32_t lane) {
  const uint32_t rows = 2 * (warp / kColumns),
                 column = warp % kColumns;  // the first of two row tiles; which 128 outputs
  float d[2][kTiles][4] = {};
  for (uint32_t k = 0; k < steps; ++k) {
    const uint4* const weights = pipeline.next() + column * (kTiles / 2) * 32 + lane;
    const uint4 a[2] = {shared.activations[rows][k][lane], shared.activations[rows + 1][k][lane]};
#pragma unroll
    for (uint32_t t = 0; t < kTiles; t += 2) {
      const uint4 b = weights[t / 2 * 32];
#pragma unroll
      for (uint32_t m = 0; m < 2; ++m) {
        mma(d[m][t], a[m], b.x, b.y);
        mma(d[m][t + 1], a[m], b.z, b.w);
      }
    }
  }
  float squares[2][2] = {};
#pragma unroll
  for (uint32_t t = 0; t < kTiles; ++t) {
    const uint32_t tile = column * kTiles + t;
    const float2 bias = __half22float2(as_half2(vectors.bias[tile / 4][lane % 4][tile % 4]));
#pragma unroll
    for (uint32_t m = 0; m < 2; ++m) {
#pragma unroll
      for (uint32_t i = 0; i < 4; ++i) {
        d[m][t][i] += i % 2 == 0 ? bias.x : bias.y;
        squares[m][i / 2] = fmaf(d[m][t][i], d[m][t][i], squares[m][i / 2]);
      }
    }
  }
#pragma unroll
  for (uint32_t m = 0; m < 2; ++m) {
#pragma unroll
    for (uint32_t half = 0; half < 2; ++half) {
      squares[m][half] += __shfl_xor_sync(kAllLanes, squares[m][half], 1);
      squares[m][half] += __shfl_xor_sync(kAllLanes, squares[m][half], 2);
      if (lane % 4 == 0) shared.squares[16 * (rows + m) + 8 * half + lane / 4][column] = squares[m][half];
    }
  }
  __syncthreads();  // all warps have also read the activations
#pragma unroll
  for (uint32_t m = 0; m < 2; ++m) {
    __half2 r[2];
#pragma unroll
    for (uint32_t half = 0; half < 2; ++half) {
      const float* const parts = shared.squares[16 * (rows + m) + 8 * half + lane / 4];
      const float scale = rsqrtf(fmaf((parts[0] + parts[1]) + (parts[2] + parts[3]), 1.0f / kW, 1e-5f));
      // Below 2^-13 binary16 loses digits: NaN leads to binary32.
      r[half] = __float2half2_rn(scale < 0x1p-13f ? __int_as_float(0x7FC00000) : scale);
    }
#pragma unroll
    for (uint32_t s = 0; s < kTiles / 2; ++s) {
      const uint32_t step = column * (kTiles / 2) + s;
      uint4& at = shared.activations[rows + m][step][lane];
      uint32_t u[4];
#pragma unroll
      for (uint32_t i = 0; i < 4; ++i)
        u[i] = bits_of(__floats2half2_rn(d[m][2 * s + i / 2][2 * (i % 2)], d[m][2 * s + i / 2][2 * (i % 2) + 1]));
      if (!kFirst) {
        const uint4 now = at;
        const uint32_t h[4] = {now.x, now.y, now.z, now.w};
#pragma unroll
        for (uint32_t i = 0; i < 4; ++i) {
          const __half2 gain = as_half2(vectors.affine[step][lane % 4][i / 2]),
                        offset = as_half2(vectors.affine[step][lane % 4][2 + i / 2]);
          const __half2 x = __hfma2_relu(__hmul2(as_half2(u[i]), r[i % 2]), gain, offset);
          u[i] = bits_of(__hmul2(__hadd2(as_half2(h[i]), x), as_half2(vectors.embedding[step][lane % 4][i / 2])));
        }
      }
      at = make_uint4(u[0], u[1], u[2], u[3]);
    }
  }
}

template <uint32_t kStages>
__global__ void __launch_bounds__(kThreads, 1)
    wide_synthesis_mma_kernel(const WideNetwork* network_at, const Tile* tiles, const WideItem* items,
                              uint32_t item_count, const Group* groups, const float* latents, uint32_t* repairs,
                              const uint32_t* statuses) {
  extern __shared__ uint4 memory[];
  Shared& shared = *reinterpret_cast<Shared*>(memory);
  const WideNetwork network = *network_at;
  const uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  Pipeline<kStages> pipeline{network.stages, reinterpret_cast<uint8_t*>(memory) + sizeof(Shared),
                             wide_operands(network.depth)};
  for (uint32_t s = 0; s + 1 < kStages; ++s) pipeline.issue();
  constexpr uint32_t kParts = kWideChunks / kBlockChunks;
  for (uint32_t i = blockIdx.x; i < item_count * kParts; i += gridDim.x) {
    const WideItem item = items[i / kParts];
    const Tile& tile = tiles[item.tile];
    const Group& group = groups[tile.group];
    const uint32_t first = item.first_chunk + i % kParts * kBlockChunks, padded = (tile.chunks + 31) / 32 * 32;
    __syncthreads();  // the last item's activations are read
    if (warp < kRowTiles) {
      uint32_t z[4];
#pragma unroll
      for (uint32_t j = 0; j < 4; ++j) {
        const uint32_t chunk = first + 16 * warp + lane / 4 + 8 * (j % 2), channel = 2 * (lane % 4) + 8 * (j / 2);
        const float* const at = latents + tile.latents_at + size_t{channel} * padded + chunk;
        z[j] = chunk < padded ? bits_of(__floats2half2_rn(at[0], at[padded])) : 0;
      }
      shared.activations[warp][0][lane] = make_uint4(z[0], z[1], z[2], z[3]);
    }
    const WideVectors* vectors = network.vectors + size_t{group.level} * (1 + network.depth);
    layer<true>(shared, *vectors, pipeline, 1, warp, lane);
    for (uint32_t b = 0; b < network.depth; ++b) layer<false>(shared, *++vectors, pipeline, kSteps, warp, lane);

    // The output layer: a warp has 16 chunks by 8 outputs.
    const uint32_t rows = warp % kRowTiles, half = warp / kRowTiles;
    const uint4* const weights = pipeline.next();
    float y[4] = {};
#pragma unroll 4
    for (uint32_t k = 0; k < kSteps; ++k) {
      const uint2 b = reinterpret_cast<const uint2*>(weights + 32 * k + lane)[half];
      mma(y, shared.activations[rows][k][lane], b.x, b.y);
    }
    const bool sound = statuses[item.tile] == kTileDecoded;
#pragma unroll
    for (uint32_t part = 0; part < 2; ++part) {
      const uint32_t chunk = first + 16 * rows + lane / 4 + 8 * part, row = 8 * half + 2 * (lane % 4);
      if (chunk >= tile.chunks || !sound) continue;
      const float v[2] = {y[2 * part] + network.out_bias[row], y[2 * part + 1] + network.out_bias[row + 1]};
      if (!finite(v[0]) || !finite(v[1])) atomicOr(&repairs[tile.first_block + chunk / 32], 1u << chunk % 32);
      const Place place = place_of(group, tile, chunk, kWideChunk);
#pragma unroll
      for (uint32_t j = 0; j < 2; ++j) store_weight(group, place.row + row + j, place.column, v[j]);
    }
  }
  asm volatile("cp.async.wait_all;" ::: "memory");
}

template <uint32_t kStages>
int launch(const WideNetwork* network, const Tile* tiles, const WideItem* items, uint32_t item_count,
           const Group* groups, const float* latents, uint32_t* repairs, const uint32_t* statuses, int multiprocessors,
           CUstream_st* stream) {
  const auto kernel = wide_synthesis_mma_kernel<kStages>;
  if (const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                     static_cast<int>(shared_bytes(kStages))))
    return error;
  const uint32_t wanted = item_count * (kWideChunks / kBlockChunks), room = static_cast<uint32_t>(multiprocessors),
                 grid = wanted < room ? wanted : room;
  kernel<<<grid, kThreads, shared_bytes(kStages), stream>>>(network, tiles, items, item_count, groups, latents, repairs,
                                                            statuses);
  return cudaGetLastError();
}

}  // namespace

int wide_synthesis_mma(const WideNetwork* network, const Tile* tiles, const WideItem* items, uint32_t item_count,
                       const Group* groups, const float* latents, uint32_t* repairs, const uint32_t* statuses,
                       int multiprocessors, CUstream_st* stream) {
  if (item_count == 0) return cudaSuccess;
  int device = 0, room = 0;
  if (const cudaError_t error = cudaGetDevice(&device)) return error;
  if (const cudaError_t error = cudaDeviceGetAttribute(&room, cudaDevAttrMaxSharedMemoryPerBlockOptin, device))
    return error;
  const auto run = static_cast<size_t>(room) >= shared_bytes(5) ? launch<5> : launch<2>;  // 147 KB, or 99 KB
  return run(network, tiles, items, item_count, groups, latents, repairs, statuses, multiprocessors, stream);
}

}  // namespace nwc::cuda
