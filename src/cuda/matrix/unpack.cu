// A matrix in a device's memory (layout.h) to weights, a warp for each run.
#include <cuda_runtime.h>

#include "cuda/decode/stored.cuh"
#include "cuda/matrix/kernels.h"
#include "cuda/matrix/run_access.cuh"

namespace nwc::cuda {
namespace {

constexpr uint32_t kRowsTogether = 8;

// A cell, of which `rows` rows are the matrix's; kNear: all of them, with weights that no dtype has to bound.
template <uint32_t kType, bool kNear>
__device__ inline void unpack_cell(const PairedMatrix& matrix, const CellColumns& columns, uint32_t tables,
                                   const StripeRows& of_rows, uint32_t rows, PairBits reader,
                                   typename Stored<kType>::Type* to) {
  using To = Stored<kType>;
  typename To::Type *first = to + columns.first, *second = to + columns.second;
  const uint32_t table = tables + columns.class_at;
  const PairMasks masks(matrix);
  PairPaths paths;
#pragma unroll 1
  for (uint32_t r0 = 0; r0 < kCellRows; r0 += kRowsTogether) {
#pragma unroll
    for (uint32_t i = 0; i < kRowsTogether; i += 2) {
      uint32_t bits = reader.next(), lengths = 0;
#pragma unroll
      for (uint32_t k = 0; k < 2; ++k) {
        const uint32_t r = r0 + i + k;
        const uint32_t pair =
            next_pair(masks, table_of(masks.down_10, table, of_rows.classes[r], paths.odd), paths, bits, lengths);
        const float2 values = __half22float2(__hadd2(as_half2(pair), as_half2(0)));  // no zero has a sign
        if (kNear || r < rows) {
          const float a = __fmul_rn(__fmul_rn(values.x, columns.scales[0]), of_rows.factors[r]),
                      b = __fmul_rn(__fmul_rn(values.y, columns.scales[1]), of_rows.factors[r]);
          *first = kNear ? To::of(a) : stored<kType>(a);
          *second = kNear ? To::of(b) : stored<kType>(b);
        }
        first += matrix.columns, second += matrix.columns;
      }
      reader.skip(lengths);
    }
  }
}

template <uint32_t kType>
__global__ void __launch_bounds__(32 * kMostRunWarps, 1) unpack_kernel(PairedMatrix matrix, void* out) {
  extern __shared__ __align__(16) uint8_t memory[];
  const uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const BlockMemory block(memory, matrix, 0);
  StripeRows& of_rows = block.rows(warp);
  const uint32_t number = blockIdx.x * matrix.block_runs + warp;
  const bool works = warp < matrix.block_runs && number < matrix.stripes * matrix.runs_of_stripe;
  const RunPlace place(matrix, works ? number : 0);
  CellHead head(matrix, place.stripe, place.window, lane);
  const RowsAhead rows_ahead(matrix, place.stripe, lane);
  uint32_t begin = 0;
  if (works) {
    begin = ask_for_cell(matrix, head, block.words(warp), lane);
    rows_ahead.store(of_rows, lane);
  }
  block.ask_for_tables(matrix);
  wait_for_copies<0>();
  __syncthreads();
  if (!works) return;
  const float largest = __uint_as_float(__reduce_max_sync(
      0xFFFFFFFFu, __float_as_uint(fmaxf(fabsf(of_rows.factors[lane]), fabsf(of_rows.factors[lane + 32])))));
  auto* const to =
      static_cast<typename Stored<kType>::Type*>(out) + uint64_t{place.stripe} * kCellRows * matrix.columns;
  const uint32_t rows = min(kCellRows, matrix.rows - place.stripe * kCellRows), end = place.window + place.cells;
  for (uint32_t window = place.window; window < end; ++window) {
    const MatrixCell& cell = matrix.cells[uint64_t{place.stripe} * matrix.windows + window];
    const CellColumns columns(matrix, head, window);
    if (window > place.window) {
      begin = ask_for_cell(matrix, head, block.words(warp), lane);
      wait_for_copies<0>();
      __syncwarp();
    }
    head = CellHead(matrix, place.stripe, min(window + 1, end - 1), lane);
    const PairBits bits(shared_address(block.words(warp)) - 4, begin);
    // Of what has a code; corrections are bounded anyway.
    constexpr float kMostInteger = 2 * kMostMagnitude + 1;
    const float of_columns = fmaxf(fabsf(columns.scales[0]), fabsf(columns.scales[1]));
    const bool near = rows == kCellRows && kMostInteger * of_columns * largest <= 0.5f * Stored<kType>::kMost;
    if (__all_sync(0xFFFFFFFFu, near))
      unpack_cell<kType, true>(matrix, columns, shared_address(memory), of_rows, rows, bits, to);
    else
      unpack_cell<kType, false>(matrix, columns, shared_address(memory), of_rows, rows, bits, to);
    if (cell.corrections == 0) continue;
    __syncwarp();  // corrections take the place of what other lanes wrote
    for (uint32_t i = lane; i < cell.corrections; i += 32) {
      const Correction c = matrix.corrections[cell.first_correction + i];
      if (c.row < rows)
        to[uint64_t{c.row} * matrix.columns + c.column] =
            stored<kType>(__fmul_rn(__fmul_rn(c.value, matrix.scales[c.column]), of_rows.factors[c.row]));
    }
  }
}

template <uint32_t kType>
int launch(const PairedMatrix& matrix, void* out, CUstream_st* stream) {
  unpack_kernel<kType>
      <<<blocks_of(matrix), threads_of(matrix), BlockMemory::bytes(matrix, matrix.block_runs, 0), stream>>>(matrix,
                                                                                                            out);
  return cudaGetLastError();
}
template <uint32_t kType>
cudaError_t prepare(uint32_t shared_room) {
  return cudaFuncSetAttribute(unpack_kernel<kType>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                              static_cast<int>(shared_room));
}

}  // namespace

int prepare_unpacking(uint32_t shared_room) {
  if (const cudaError_t e = prepare<kF32>(shared_room)) return e;
  if (const cudaError_t e = prepare<kF16>(shared_room)) return e;
  return prepare<kBF16>(shared_room);
}

int unpack_matrix(const PairedMatrix& matrix, void* out, uint32_t dtype, CUstream_st* stream) {
  if (dtype == kF32) return launch<kF32>(matrix, out, stream);
  if (dtype == kF16) return launch<kF16>(matrix, out, stream);
  return launch<kBF16>(matrix, out, stream);
}

}  // namespace nwc::cuda
