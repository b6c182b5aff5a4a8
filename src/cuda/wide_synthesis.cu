// The network of the `paper` profile on Hopper: 128 chunks go through all layers without leaving the multiprocessor.
//
// Two warpgroups have 64 chunks each, their activations as binary16 in shared memory, where wgmma wants its operand A. A third streams the
// weights (2.1 MB, from the L2 cache) through stages of shared memory for both. A layer's 512 outputs are computed in four passes of 128:
// the passes' sums wait as binary16 in registers until the squares of all 512 are known (two passes of 256 would spill). The warpgroups are not tied to each
// other, so that one's LayerNorm runs under the other's products.
#include <cuda_runtime.h>

#include "cuda/kernels.h"
#include "cuda/tile_access.cuh"

namespace nwc::cuda {
namespace {

constexpr uint32_t kStages = 6, kW = kWideWidth, kPanels = kW / 64, kPasses = kW / kWidePass;
constexpr uint32_t kGroupChunks = 64;                               // of a warpgroup
constexpr uint32_t kPanelBytes = kGroupChunks * 128;                // 64 chunks by 64 activations
constexpr uint32_t kGroupBytes = kPanels * kPanelBytes;
constexpr uint32_t kThreads = 3 * 128;
constexpr uint32_t kSharedBytes = 1024 + 2 * kGroupBytes + kStages * kWideStageBytes + 16 * kStages;

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define NWC_HAS_WGMMA 1
#endif

#ifdef NWC_HAS_WGMMA

constexpr uint32_t kOutBytes = kPanels * kWideChunk * 128;  // the output layer's operand

__device__ inline uint32_t shared_address(const void* p) { return static_cast<uint32_t>(__cvta_generic_to_shared(p)); }

__device__ inline void barrier_init(uint32_t barrier, uint32_t arrivals) { asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory"); }
__device__ inline void barrier_arrive(uint32_t barrier) { asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(barrier) : "memory"); }
__device__ inline void barrier_expect(uint32_t barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}
__device__ inline void barrier_wait(uint32_t barrier, uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared.b64 done, [%0], %1;\n"
      "@done bra finished;\n"
      "bra again;\n"
      "finished:\n"
      "}" ::"r"(barrier), "r"(parity) : "memory");
}
__device__ inline void copy_bulk(uint32_t to, const void* from, uint32_t bytes, uint32_t barrier) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to), "l"(from), "r"(bytes), "r"(barrier) : "memory");
}

// Rows of 128 bytes in groups of eight, 16-byte pieces swizzled (128-byte mode): what wgmma reads from `address` on.
__device__ inline uint64_t operand(uint32_t address) {
  return uint64_t{(address & 0x3FFFF) >> 4} | uint64_t{1} << 16 | uint64_t{1024 >> 4} << 32 | uint64_t{1} << 62;
}
__device__ inline void products_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ inline void products_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int kOpen>
__device__ inline void products_wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kOpen) : "memory"); }

// d (+)= A B^T, A: 64 chunks, B: 128 outputs, 16 inputs.
__device__ inline void product(float (&d)[64], uint64_t a, uint64_t b, int add) {
  asm volatile(
      "{\n"
      ".reg .pred add;\n"
      "setp.ne.b32 add, %66, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
      "}, %64, %65, add, 1, 1, 0, 0;\n"
      "}"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
        "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
        "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]),
        "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]),
        "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]),
        "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]),
        "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]),
        "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63])
      : "l"(a), "l"(b), "r"(add));
}
// d (+)= A B^T with 16 outputs.
__device__ inline void product_out(float (&d)[8], uint64_t a, uint64_t b, int add) {
  asm volatile(
      "{\n"
      ".reg .pred add;\n"
      "setp.ne.b32 add, %10, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n16k16.f32.f16.f16 {%0, %1, %2, %3, %4, %5, %6, %7}, %8, %9, add, 1, 1, 0, 0;\n"
      "}"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7])
      : "l"(a), "l"(b), "r"(add));
}

__device__ inline void group_barrier(uint32_t group) { asm volatile("bar.sync %0, 128;" ::"r"(group + 1) : "memory"); }
__device__ inline void fence_for_products() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

__device__ inline __half2 as_half2(uint32_t bits) { return *reinterpret_cast<const __half2*>(&bits); }
__device__ inline uint32_t bits_of(__half2 v) { return *reinterpret_cast<const uint32_t*>(&v); }

// Stages of weights as a consumer sees them.
struct Stages {
  uint32_t base, full, empty;  // shared addresses; barriers are 8 bytes apart
  uint32_t index = 0, parity = 0;

  __device__ uint32_t wait() const {
    barrier_wait(full + 8 * index, parity);
    return base + index * kWideStageBytes;
  }
  __device__ void advance() {
    if (++index == kStages) index = 0, parity ^= 1;
  }
};

// 128 outputs: d = sum over `panels` panels of 64 inputs (or 16 inputs of the only one, if kSteps is 1).
template <uint32_t kSteps>
__device__ inline void pass(float (&d)[64], uint32_t activations, uint32_t panels, Stages& stages, uint32_t lane) {
  uint32_t held = ~0u;
#pragma unroll 1
  for (uint32_t p = 0; p < panels; ++p) {
    const uint32_t weights = stages.wait();
    products_begin();
#pragma unroll
    for (uint32_t k = 0; k < kSteps; ++k) product(d, operand(activations + p * kPanelBytes + 32 * k), operand(weights + 32 * k), p + k > 0);
    products_commit();
    products_wait<1>();  // the stage before is read
    if (held != ~0u && lane == 0) barrier_arrive(held);
    held = stages.empty + 8 * stages.index;
    stages.advance();
  }
  products_wait<0>();
  if (lane == 0) barrier_arrive(held);
}

// Loads through the pointer are not moved up to before this point: they would take registers that the sums need.
__device__ inline void keep_here(const uint4_words*& pointer) { asm volatile("" : "+l"(pointer)::"memory"); }

// u = sums + bias as binary16, in the same layout; squares are added up by row.
__device__ inline void take(const float (&d)[64], const uint4_words* vectors, uint32_t (&u)[32], float (&squares)[2], uint32_t lane) {
#pragma unroll
  for (uint32_t j = 0; j < 16; ++j) {
    if (j % 4 == 0) keep_here(vectors);
    const float2 bias = __half22float2(as_half2(__ldg(&vectors[4 * j + lane % 4].w[0])));
    const float a = d[4 * j] + bias.x, b = d[4 * j + 1] + bias.y, c = d[4 * j + 2] + bias.x, e = d[4 * j + 3] + bias.y;
    squares[0] = fmaf(a, a, fmaf(b, b, squares[0]));
    squares[1] = fmaf(c, c, fmaf(e, e, squares[1]));
    u[2 * j] = bits_of(__floats2half2_rn(a, b));
    u[2 * j + 1] = bits_of(__floats2half2_rn(c, e));
  }
}

// Address of the 16 bytes that lane l of a warp gives to ldmatrix and stmatrix for outputs 8 j to 8 j + 15: two blocks of eight rows, twice.
__device__ inline uint32_t piece(uint32_t activations, uint32_t row, uint32_t j, uint32_t lane) {
  const uint32_t block = j + lane / 16;
  return activations + block / 8 * kPanelBytes + row * 128 + ((block % 8 ^ row % 8) << 4);
}

// The activations of 128 outputs: h = u (first layer), or (h + max(0, u r gain + offset)) embedding.
template <bool kFirst>
__device__ inline void put(uint32_t activations, const uint4_words* vectors, const uint32_t (&u)[32], const __half2 (&r)[2], uint32_t lane, uint32_t row) {
#pragma unroll
  for (uint32_t j = 0; j < 16; j += 2) {
    keep_here(vectors);
    const uint32_t at = piece(activations, row, j, lane);
    uint32_t h[4];
    if (kFirst) {
#pragma unroll
      for (uint32_t i = 0; i < 4; ++i) h[i] = u[2 * j + i];
    } else {
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(h[0]), "=r"(h[1]), "=r"(h[2]), "=r"(h[3]) : "r"(at) : "memory");
#pragma unroll
      for (uint32_t i = 0; i < 4; ++i) {
        const uint4 v = __ldg(reinterpret_cast<const uint4*>(&vectors[4 * (j + i / 2) + lane % 4]));
        const __half2 x = __hfma2_relu(__hmul2(as_half2(u[2 * j + i]), r[i % 2]), as_half2(v.y), as_half2(v.z));
        h[i] = bits_of(__hmul2(__hadd2(as_half2(h[i]), x), as_half2(v.w)));
      }
    }
    asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1,%2,%3,%4};" ::"r"(at), "r"(h[0]), "r"(h[1]), "r"(h[2]), "r"(h[3]) : "memory");
  }
}

template <bool kFirst>
__device__ inline void layer(uint32_t activations, const uint4_words* vectors, Stages& stages, uint32_t group, uint32_t lane, uint32_t row) {
  uint32_t u[kPasses][32];
  float squares[2] = {};
#pragma unroll
  for (uint32_t n = 0; n < kPasses; ++n) {
    float d[64];
    pass<kFirst ? 1 : 4>(d, activations, kFirst ? 1 : kPanels, stages, lane);
    take(d, vectors + n * (kWidePass / 2), u[n], squares, lane);
  }
  __half2 r[2];
#pragma unroll
  for (uint32_t i = 0; i < 2; ++i) {
    squares[i] += __shfl_xor_sync(kAllLanes, squares[i], 1);
    squares[i] += __shfl_xor_sync(kAllLanes, squares[i], 2);
    const float scale = rsqrtf(fmaf(squares[i], 1.0f / kW, 1e-5f));
    // Below 2^-13 binary16 loses digits: let binary32 do it. (NaN stays NaN.)
    r[i] = __float2half2_rn(scale < 0x1p-13f ? __int_as_float(0x7FC00000) : scale);
  }
  group_barrier(group);  // all four warps' products have read the activations
  asm volatile("" : "+r"(row));  // addresses are computed here, not kept in registers through the passes
#pragma unroll
  for (uint32_t n = 0; n < kPasses; ++n) put<kFirst>(activations + n * (kWidePass / 64) * kPanelBytes, vectors + n * (kWidePass / 2), u[n], r, lane, row);
  fence_for_products();
  group_barrier(group);
}

__device__ void consume(const WideNetwork& network, const Tile* tiles, const WideItem* items, uint32_t item_count, const Group* groups, const float* latents,
                        uint32_t* repairs, const uint32_t* statuses, uint32_t activations, Stages stages, uint32_t warpgroup) {
  const uint32_t thread = threadIdx.x % 128, lane = thread % 32, warp = thread / 32;
  const uint32_t row = 16 * warp + lane % 16;  // that the lane addresses for ldmatrix and stmatrix
  for (uint32_t i = blockIdx.x; i < item_count; i += gridDim.x) {
    const WideItem item = items[i];
    const Tile& tile = tiles[item.tile];
    const Group& group = groups[tile.group];
    const uint32_t first = item.first_chunk + warpgroup * kGroupChunks, padded = (tile.chunks + 31) / 32 * 32;
    {
      const uint32_t chunk = thread % 64, part = thread / 64;
      const float* const z = latents + tile.latents_at + first + chunk;
      uint32_t packed[4] = {};
      if (first + chunk < padded) {
#pragma unroll
        for (uint32_t c = 0; c < 4; ++c) packed[c] = bits_of(__floats2half2_rn(z[(8 * part + 2 * c) * size_t{padded}], z[(8 * part + 2 * c + 1) * size_t{padded}]));
      }
      const uint32_t to = activations + chunk * 128 + ((part ^ chunk % 8) << 4);
      asm volatile("st.shared.v4.b32 [%0], {%1,%2,%3,%4};" ::"r"(to), "r"(packed[0]), "r"(packed[1]), "r"(packed[2]), "r"(packed[3]) : "memory");
    }
    fence_for_products();
    group_barrier(warpgroup);
    const uint4_words* vectors = network.vectors + size_t{group.level} * (1 + network.depth) * (kW / 2);
    layer<true>(activations, vectors, stages, warpgroup, lane, row);
    for (uint32_t b = 0; b < network.depth; ++b) {
      vectors += kW / 2;
      layer<false>(activations, vectors, stages, warpgroup, lane, row);
    }
    float y[8];
    const uint32_t weights = stages.wait();
    products_begin();
#pragma unroll
    for (uint32_t k = 0; k < kW / 16; ++k) {
      product_out(y, operand(activations + k / 4 * kPanelBytes + 32 * (k % 4)), operand(weights + k / 4 * (kWideChunk * 128) + 32 * (k % 4)), k > 0);
    }
    products_commit();
    products_wait<0>();
    if (lane == 0) barrier_arrive(stages.empty + 8 * stages.index);
    stages.advance();
    group_barrier(warpgroup);  // the next item's latents go where the activations are
    const bool sound = statuses[item.tile] == kTileDecoded;
#pragma unroll
    for (uint32_t half = 0; half < 2; ++half) {
      const uint32_t chunk = first + 16 * warp + lane / 4 + 8 * half;
      bool whole = true;
#pragma unroll
      for (uint32_t j = 0; j < 4; ++j) {
        y[4 * (j / 2) + 2 * half + j % 2] += network.out_bias[8 * (j / 2) + 2 * (lane % 4) + j % 2];
        whole = whole && finite(y[4 * (j / 2) + 2 * half + j % 2]);
      }
      if (chunk >= tile.chunks || !sound) continue;
      if (!whole) atomicOr(&repairs[tile.first_block + chunk / 32], 1u << chunk % 32);
      const Place place = place_of(group, tile, chunk, kWideChunk);
#pragma unroll
      for (uint32_t j = 0; j < 4; ++j) store_weight(group, place.row + 8 * (j / 2) + 2 * (lane % 4) + j % 2, place.column, y[4 * (j / 2) + 2 * half + j % 2]);
    }
  }
}

__device__ void produce(const WideNetwork& network, uint32_t item_count, uint32_t base, uint32_t full, uint32_t empty) {
  uint32_t index = 0, parity = 1;  // stages are empty at first
  const uint32_t operands = kPasses + kPasses * kPanels * network.depth + 1;
  for (uint32_t i = blockIdx.x; i < item_count; i += gridDim.x) {
    for (uint32_t s = 0; s < operands; ++s) {
      const uint32_t bytes = s + 1 == operands ? kOutBytes : kWideStageBytes;
      barrier_wait(empty + 8 * index, parity);
      barrier_expect(full + 8 * index, bytes);
      copy_bulk(base + index * kWideStageBytes, network.stages + size_t{s} * kWideStageBytes, bytes, full + 8 * index);
      if (++index == kStages) index = 0, parity ^= 1;
    }
  }
}

#endif  // NWC_HAS_WGMMA

__global__ void __launch_bounds__(kThreads, 1)
wide_synthesis_kernel(const WideNetwork* network_at, const Tile* tiles, const WideItem* items, uint32_t item_count, const Group* groups, const float* latents,
                      uint32_t* repairs, const uint32_t* statuses) {
#ifdef NWC_HAS_WGMMA
  extern __shared__ uint8_t memory[];
  const uint32_t start = (shared_address(memory) + 1023) & ~1023u;
  const uint32_t stages_at = start + 2 * kGroupBytes, full = stages_at + kStages * kWideStageBytes, empty = full + 8 * kStages;
  const WideNetwork network = *network_at;
  if (threadIdx.x == 0) {
    for (uint32_t s = 0; s < kStages; ++s) {
      barrier_init(full + 8 * s, 1);
      barrier_init(empty + 8 * s, 8);  // a lane of every consuming warp
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();
  if (threadIdx.x / 128 == 2) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
    if (threadIdx.x == 256) produce(network, item_count, stages_at, full, empty);
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 240;");
    const uint32_t warpgroup = threadIdx.x / 128;
    consume(network, tiles, items, item_count, groups, latents, repairs, statuses, start + warpgroup * kGroupBytes, Stages{stages_at, full, empty}, warpgroup);
  }
#endif
}

}  // namespace

int wide_synthesis(const WideNetwork* network, const Tile* tiles, const WideItem* items, uint32_t item_count, const Group* groups, const float* latents,
                   uint32_t* repairs, const uint32_t* statuses, int multiprocessors, CUstream_st* stream) {
  if (item_count == 0) return cudaSuccess;
  if (const cudaError_t error = cudaFuncSetAttribute(wide_synthesis_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kSharedBytes)) return error;
  const uint32_t grid = item_count < static_cast<uint32_t>(multiprocessors) ? item_count : static_cast<uint32_t>(multiprocessors);
  wide_synthesis_kernel<<<grid, kThreads, kSharedBytes, stream>>>(network, tiles, items, item_count, groups, latents, repairs, statuses);
  return cudaGetLastError();
}

}  // namespace nwc::cuda
