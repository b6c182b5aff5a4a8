// What kernels on a matrix in a device's memory share: what a block and a warp have at hand, and a cell's way there.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/matrix/layout.h"
#include "cuda/matrix/pair_reader.cuh"

namespace nwc::cuda {

inline constexpr uint32_t kMostRunWarps = 24;

// The rows of the stripe at work.
struct alignas(16) StripeRows {
  uint32_t classes[kCellRows];
  float factors[kCellRows];
};

// A block's shared memory: tables of even first weights, the warps' rows, tables of odd first weights, then for each
// warp `more` bytes and the words of a cell, 16 bytes behind what nobody writes.
struct BlockMemory {
  static constexpr uint32_t kTableBytes = sizeof(PairTables) / 2, kWarpsAt = kOddTables + kTableBytes;
  static_assert(kTableBytes + kMostRunWarps * sizeof(StripeRows) <= kOddTables);

  uint8_t* memory;
  uint32_t cell_bytes, more;

  __host__ __device__ static uint32_t cell_bytes_of(const PairedMatrix& matrix) { return matrix.cell_words * 4 + 32; }
  __host__ __device__ static uint32_t bytes(const PairedMatrix& matrix, uint32_t warps, uint32_t more) {
    return kWarpsAt + warps * (cell_bytes_of(matrix) + more);
  }
  __device__ BlockMemory(uint8_t* memory_, const PairedMatrix& matrix, uint32_t more_)
      : memory(memory_), cell_bytes(cell_bytes_of(matrix)), more(more_) {}
  __device__ StripeRows& rows(uint32_t warp) const { return reinterpret_cast<StripeRows*>(memory + kTableBytes)[warp]; }
  __device__ uint32_t* words(uint32_t warp) const {
    return reinterpret_cast<uint32_t*>(memory + kWarpsAt + warp * (cell_bytes + more) + more + 16);
  }
  __device__ uint8_t* of_warp(uint32_t warp) const { return memory + kWarpsAt + warp * (cell_bytes + more); }

  // Asks for the tables, for all threads of the block; they are there after wait_for_copies() and a __syncthreads().
  __device__ void ask_for_tables(const PairedMatrix& matrix) const {
    const uint8_t* const from = reinterpret_cast<const uint8_t*>(matrix.tables);
    for (uint32_t i = 16 * threadIdx.x; i < kTableBytes; i += 16 * blockDim.x) {
      copy_16_later(memory + i, from + i, true);
      copy_16_later(memory + kOddTables + i, from + kTableBytes + i, true);
    }
    close_copies();
  }
};

// A warp for each run, and as many more as it takes to fetch the tables.
inline uint32_t blocks_of(const PairedMatrix& matrix) {
  return (matrix.stripes * matrix.runs_of_stripe + matrix.block_runs - 1) / matrix.block_runs;
}
inline uint32_t threads_of(const PairedMatrix& matrix) {
  constexpr uint32_t kLeast = 8;
  return 32 * (matrix.block_runs > kLeast ? matrix.block_runs : kLeast);
}

struct RunPlace {
  uint32_t stripe, window, cells;  // window: the first
  __device__ RunPlace(const PairedMatrix& matrix, uint32_t number)
      : stripe(number / matrix.runs_of_stripe), window(number % matrix.runs_of_stripe * matrix.run_cells) {
    cells = min(matrix.run_cells, matrix.windows - window);
  }
};

// What says where the rest of a cell is: asked for a cell ahead, since memory answers late.
struct CellHead {
  uint32_t first_quad, quads, lane_bits, pair, corrections;
  __device__ CellHead(const PairedMatrix& matrix, uint32_t stripe, uint32_t window, uint32_t lane) {
    const MatrixCell& cell = matrix.cells[uint64_t{stripe} * matrix.windows + window];
    first_quad = __ldg(&cell.first_quad);
    corrections = __ldg(&cell.corrections);
    quads = (__ldg(&cell.words) + 3u) / 4;
    lane_bits = uint32_t{__ldg(&cell.least)} + __ldg(cell.more + lane);
    pair = __ldg(matrix.pairs + window * (kWindow / 2) + lane);
  }
};

// A lane's two columns of a window.
struct CellColumns {
  uint32_t first, second;
  uint32_t class_at;
  float scales[2];
  __device__ CellColumns(const PairedMatrix& matrix, const CellHead& head, uint32_t window) {
    first = window * kWindow + (head.pair & 0xFF), second = window * kWindow + (head.pair >> 8);
    class_at = __ldg(matrix.column_classes + first);
    scales[0] = __ldg(matrix.scales + first), scales[1] = __ldg(matrix.scales + second);
  }
};

// A lane's two rows of the stripe.
struct RowsAhead {
  uint32_t classes[2];
  float factors[2];
  __device__ RowsAhead(const PairedMatrix& matrix, uint32_t stripe, uint32_t lane) {
#pragma unroll
    for (uint32_t i = 0; i < 2; ++i) {
      const uint32_t at = stripe * kCellRows + 32 * i + lane;
      classes[i] = __ldg(matrix.row_classes + at), factors[i] = __ldg(matrix.factors + at);
    }
  }
  // There after a __syncwarp().
  __device__ void store(StripeRows& to, uint32_t lane) const {
#pragma unroll
    for (uint32_t i = 0; i < 2; ++i) to.classes[32 * i + lane] = classes[i], to.factors[32 * i + lane] = factors[i];
  }
};

// Asks for a cell's words to `memory`, for all lanes of the warp, which have read what was there; at which bit the
// lane's will begin. They are there after wait_for_copies() and a __syncwarp().
__device__ inline uint32_t ask_for_cell(const PairedMatrix& matrix, const CellHead& head, uint32_t* memory,
                                        uint32_t lane) {
  const uint4* const from = reinterpret_cast<const uint4*>(matrix.words) + head.first_quad;
  __syncwarp();
  for (uint32_t i = lane; i < head.quads; i += 32) copy_16_later(reinterpret_cast<uint4*>(memory) + i, from + i, true);
  close_copies();
  uint32_t at = head.lane_bits;
#pragma unroll
  for (uint32_t step = 1; step < 32; step *= 2) {
    const uint32_t before = __shfl_up_sync(0xFFFFFFFFu, at, step);
    if (lane >= step) at += before;
  }
  return at - head.lane_bits;
}

}  // namespace nwc::cuda
