// Products with a matrix in a device's memory (layout.h), a warp for each run: integers go through shared memory into
// the tensor cores, scales are multiplied into the vectors, factors into the sums.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "cuda/decode/device_types.h"
#include "cuda/matrix/kernels.h"
#include "cuda/matrix/run_access.cuh"

namespace nwc::cuda {
namespace {

constexpr uint32_t kTileRows = 16;  // of a product of the tensor cores
constexpr uint32_t kTilesOfCell = kCellRows / kTileRows;
constexpr uint32_t kStaticBytes = 64;  // of a block's shared memory, at most
// A warp's tile: rows of 32 pairs; then its sums over a run.
union Staging {
  uint32_t pairs[kTileRows][kWindow / 2];
  float sums[kCellRows][kProductBatch];
};
static_assert(sizeof(Staging::pairs) == sizeof(Staging::sums));

struct Vectors {
  const void* x;  // [batch][columns]
  uint32_t dtype;
  float* y;  // [batch][rows]
  uint32_t batch;
  float* sums;         // [blocks][2][kCellRows][kProductBatch]: of the stripes that other blocks have a part of
  uint32_t* counters;  // [stripes]: runs whose sums are there
};

// What binary16 holds of a finite number; others stay what they are.
__device__ inline float bounded(float v) { return isfinite(v) ? fminf(fmaxf(v, -65504.0f), 65504.0f) : v; }

// Number `at` of the vectors.
__device__ inline float load_x(const Vectors& vectors, uint64_t at) {
  if (vectors.dtype == kBF16) return __bfloat162float(static_cast<const __nv_bfloat16*>(vectors.x)[at]);
  if (vectors.dtype == kF16) return __half2float(static_cast<const __half*>(vectors.x)[at]);
  return static_cast<const float*>(vectors.x)[at];
}

// The runs of one stripe that one block has.
struct Part {
  uint32_t begin, end;
  uint32_t place;  // of their sums
  // The part that run `number` is in.
  __device__ Part(const PairedMatrix& matrix, uint32_t number) {
    const uint32_t warps = matrix.block_runs, block = number / warps, stripe = number / matrix.runs_of_stripe;
    begin = max(block * warps, stripe * matrix.runs_of_stripe);
    end = min((block + 1) * warps, (stripe + 1) * matrix.runs_of_stripe);
    place = block * 2 + (begin > block * warps ? 1 : 0);
  }
};

// What a run adds to its sums where its bits say otherwise, in the order of its corrections: as many together as there
// are lanes for each vector.
__device__ inline void correct(const PairedMatrix& matrix, const RunPlace& place_of_run, uint32_t count,
                               const Vectors& vectors, float (&sums)[kCellRows][kProductBatch], uint32_t lane) {
  const Correction* const corrections =
      matrix.corrections +
      __ldg(&matrix.cells[uint64_t{place_of_run.stripe} * matrix.windows + place_of_run.window].first_correction);
  const uint32_t lanes = vectors.batch > 4 ? 8 : vectors.batch > 2 ? 4 : vectors.batch, together = 32 / lanes;
  const uint32_t vector = lane % lanes, place = lane / lanes;
  for (uint32_t first = 0; first < count; first += together) {
    const bool there = first + place < count && vector < vectors.batch;
    float more = 0;
    uint32_t row = 0;
    if (there) {
      const Correction c = corrections[first + place];
      row = c.row;
      const float x = load_x(vectors, uint64_t{vector} * matrix.columns + c.column);
      more = c.more * (x * (matrix.scales[c.column] * matrix.scale_up));
    }
    for (uint32_t i = 0; i < min(together, count - first); ++i) {
      if (there && place == i) sums[row][vector] += more;
      __syncwarp();
    }
  }
}

// All sums of a stripe, from the places of its parts, to y.
__device__ inline void finish_stripe(const PairedMatrix& matrix, const Vectors& vectors, uint32_t stripe) {
  const uint32_t begin = stripe * matrix.runs_of_stripe, end = begin + matrix.runs_of_stripe;
  for (uint32_t i = threadIdx.x; i < kCellRows * kProductBatch; i += blockDim.x) {
    const uint32_t row = stripe * kCellRows + i / kProductBatch, vector = i % kProductBatch;
    float sum = 0;
    for (uint32_t number = begin; number < end;) {
      const Part part(matrix, number);
      sum += __ldcg(vectors.sums + uint64_t{part.place} * kCellRows * kProductBatch + i);
      number = part.end;
    }
    if (row < matrix.rows && vector < vectors.batch)
      vectors.y[uint64_t{vector} * matrix.rows + row] = sum * (matrix.factors[row] * matrix.scale_down);
  }
}

// The sums of runs [first, end), a block's, to y, or to where the last block of a stripe finds them. For all threads of
// the block.
template <class StagingOfRun>
__device__ inline void add_up(const PairedMatrix& matrix, const Vectors& vectors, uint32_t first, uint32_t end,
                              const StagingOfRun& staging_of_run) {
  __shared__ uint32_t last_of_stripe;
  for (uint32_t begin = first; begin < end;) {
    const Part part(matrix, begin);
    const uint32_t stripe = begin / matrix.runs_of_stripe;
    const bool whole = part.end - part.begin == matrix.runs_of_stripe;
    for (uint32_t i = threadIdx.x; i < kCellRows * kProductBatch; i += blockDim.x) {
      const uint32_t r = i / kProductBatch, vector = i % kProductBatch, row = stripe * kCellRows + r;
      float sum = 0;
      for (uint32_t n = part.begin; n < part.end; ++n) sum += staging_of_run(n).sums[r][vector];
      if (!whole)
        __stcg(vectors.sums + uint64_t{part.place} * kCellRows * kProductBatch + i, sum);
      else if (row < matrix.rows && vector < vectors.batch)
        vectors.y[uint64_t{vector} * matrix.rows + row] = sum * (matrix.factors[row] * matrix.scale_down);
    }
    if (!whole) {
      // The block whose part is the last to come adds them up, in the order of runs.
      __threadfence();
      __syncthreads();
      if (threadIdx.x == 0) {
        const uint32_t here = part.end - part.begin;
        last_of_stripe = atomicAdd(vectors.counters + stripe, here) + here == matrix.runs_of_stripe ? 1 : 0;
        if (last_of_stripe != 0) vectors.counters[stripe] = 0;
      }
      __syncthreads();
      if (last_of_stripe != 0) {
        __threadfence();
        finish_stripe(matrix, vectors, stripe);
      }
      __syncthreads();
    }
    begin = part.end;
  }
}

// Operand B of a cell's products: of pairs l % 4 + 4 i, vector l / 4 times the columns' scales.
__device__ inline void load_operands(const PairedMatrix& matrix, const Vectors& vectors, const CellColumns& columns,
                                     uint32_t lane, uint32_t (&operands)[8]) {
  const uint32_t vector = lane / 4;
#pragma unroll
  for (uint32_t i = 0; i < 8; ++i) {
    const uint32_t from = 4 * i + lane % 4;
    const uint32_t one = __shfl_sync(0xFFFFFFFFu, columns.first, from),
                   other = __shfl_sync(0xFFFFFFFFu, columns.second, from);
    const float scale = __shfl_sync(0xFFFFFFFFu, columns.scales[0], from),
                scale_of_other = __shfl_sync(0xFFFFFFFFu, columns.scales[1], from);
    float a = 0, b = 0;
    if (vector < vectors.batch) {
      const uint64_t begin = uint64_t{vector} * matrix.columns;
      a = bounded(load_x(vectors, begin + one) * (scale * matrix.scale_up));
      b = bounded(load_x(vectors, begin + other) * (scale_of_other * matrix.scale_up));
    }
    operands[i] = bits_of(__floats2half2_rn(a, b));
  }
}

__global__ void __launch_bounds__(32 * kMostRunWarps, 1) product_kernel(PairedMatrix matrix, Vectors vectors) {
  extern __shared__ __align__(16) uint8_t memory[];
  const uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = matrix.block_runs;
  const BlockMemory block(memory, matrix, sizeof(Staging));
  StripeRows& of_rows = block.rows(warp);
  const auto staging_of = [&](uint32_t w) -> Staging& { return *reinterpret_cast<Staging*>(block.of_warp(w)); };
  Staging& staging = staging_of(warp);
  // Pair `lane` of row i: its four words' place in the row is moved, so that the rows of a tile are in other banks.
  const uint32_t staged = shared_address(&staging), store_at = staged + lane % 4 * 4, quad = lane / 4 * 16;
  const uint32_t load_row = staged + lane % 16 * (kWindow * 2), load_moved = lane % 8 * 16, load_half = lane / 16 * 16;
  const uint32_t first = blockIdx.x * warps, end = min(first + warps, matrix.stripes * matrix.runs_of_stripe),
                 number = first + warp;
  const bool works = warp < warps && number < end;
  const RunPlace place(matrix, works ? number : first);
  CellHead head(matrix, place.stripe, place.window, lane);
  const RowsAhead rows_ahead(matrix, place.stripe, lane);
  const PairMasks masks(matrix);
  float sums[kTilesOfCell][4] = {};
  uint32_t corrections = 0;
  const uint32_t end_window = place.window + place.cells;
  for (uint32_t window = place.window; window < end_window; ++window) {
    uint32_t operands[8], table = shared_address(memory);
    uint32_t begin = 0;
    if (works) {
      begin = ask_for_cell(matrix, head, block.words(warp), lane);
      const CellColumns columns(matrix, head, window);
      table += columns.class_at;
      if (window == place.window) rows_ahead.store(of_rows, lane);
      load_operands(matrix, vectors, columns, lane, operands);
      corrections += head.corrections;
      head = CellHead(matrix, place.stripe, min(window + 1, end_window - 1), lane);
    }
    if (window == place.window) {
      // Behind the first cells, which wait for each other's addresses.
      block.ask_for_tables(matrix);
      wait_for_copies<0>();
      __syncthreads();
    } else {
      wait_for_copies<0>();
      __syncwarp();
    }
    if (!works) break;
    PairBits reader(shared_address(block.words(warp)) - 4, begin);
    PairPaths paths;
#pragma unroll 1
    for (uint32_t tile = 0; tile < kTilesOfCell; ++tile) {
#pragma unroll
      for (uint32_t i = 0; i < kTileRows; i += 4) {
        const uint4 four = *reinterpret_cast<const uint4*>(of_rows.classes + tile * kTileRows + i);
        const uint32_t classes[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
        for (uint32_t k = 0; k < 4; k += 2) {
          uint32_t bits = reader.next(), lengths = 0;
#pragma unroll
          for (uint32_t r = i + k; r < i + k + 2; ++r) {
            const uint32_t pair =
                next_pair(masks, table_of(masks.down_10, table, classes[r - i], paths.odd), paths, bits, lengths);
            store_shared(store_at + r * (kWindow * 2) + (quad ^ r % 8 * 16), pair);
          }
          reader.skip(lengths);
        }
      }
      __syncwarp();
#pragma unroll
      for (uint32_t k = 0; k < 4; ++k) {
        uint32_t a[4];
        ldmatrix(a, load_row + ((k * 32 + load_half) ^ load_moved));
        mma_float(sums[0], a, operands[2 * k], operands[2 * k + 1]);
      }
      __syncwarp();
      // The tile at work is always the first of the sums, so that they stay in registers.
#pragma unroll
      for (uint32_t i = 0; i < 4; ++i) {
        const float done = sums[0][i];
#pragma unroll
        for (uint32_t t = 0; t + 1 < kTilesOfCell; ++t) sums[t][i] = sums[t + 1][i];
        sums[kTilesOfCell - 1][i] = done;
      }
    }
  }
  if (works) {
#pragma unroll
    for (uint32_t tile = 0; tile < kTilesOfCell; ++tile) {
      const uint32_t row = tile * kTileRows + lane / 4, vector = lane % 4 * 2;
      staging.sums[row][vector] = sums[tile][0], staging.sums[row][vector + 1] = sums[tile][1];
      staging.sums[row + 8][vector] = sums[tile][2], staging.sums[row + 8][vector + 1] = sums[tile][3];
    }
    __syncwarp();
    if (corrections > 0) correct(matrix, place, corrections, vectors, staging.sums, lane);
  }
  __syncthreads();
  add_up(matrix, vectors, first, end, [&](uint32_t n) -> const Staging& { return staging_of(n - first); });
}

}  // namespace

uint32_t most_block_runs(const PairedMatrix& matrix, uint32_t shared_room) {
  uint32_t warps = kMostRunWarps;
  while (warps > 0 && BlockMemory::bytes(matrix, warps, sizeof(Staging)) + kStaticBytes > shared_room) --warps;
  return warps;
}

int prepare_product(uint32_t shared_room) {
  return cudaFuncSetAttribute(product_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                              static_cast<int>(shared_room - kStaticBytes));
}

size_t product_sums(const PairedMatrix& matrix) { return size_t{blocks_of(matrix)} * 2 * kCellRows * kProductBatch; }

int multiply_matrix(const PairedMatrix& matrix, const void* x, uint32_t dtype, float* y, uint32_t batch, float* sums,
                    uint32_t* counters, CUstream_st* stream) {
  const uint32_t bytes = BlockMemory::bytes(matrix, matrix.block_runs, sizeof(Staging));
  product_kernel<<<blocks_of(matrix), threads_of(matrix), bytes, stream>>>(matrix,
                                                                           {x, dtype, y, batch, sums, counters});
  return cudaGetLastError();
}

}  // namespace nwc::cuda
