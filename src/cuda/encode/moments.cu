// Sums of squares of columns and rows in binary64, in ascending order, as on the cores.
#include <cuda_runtime.h>

#include "cuda/encode/kernels.h"
#include "cuda/encode/matrix_access.cuh"

namespace nwc::cuda {
namespace {

constexpr uint32_t kLines = 32, kTile = 64;  // sums of a block, and weights that they take at a time

// A thread has one line (a column, or a row). Its weights are read by tiles, whichever way they lie in memory, so that
// reading is coalesced both ways.
template <bool kColumns>
__global__ void __launch_bounds__(256) squares_kernel(MatrixView matrix, const double* scales, double* sums) {
  __shared__ float tile[kTile][kLines + 1];
  __shared__ double scale[kTile];
  const uint64_t lines = kColumns ? matrix.columns : matrix.rows, length = kColumns ? matrix.rows : matrix.columns;
  const uint64_t first = uint64_t{blockIdx.x} * kLines;
  const bool lines_are_adjacent = kColumns != (matrix.transposed != 0);
  double sum = 0;
  for (uint64_t begin = 0; begin < length; begin += kTile) {
    for (uint32_t at = threadIdx.x; at < kTile * kLines; at += blockDim.x) {
      const uint32_t line = lines_are_adjacent ? at % kLines : at / kTile,
                     place = lines_are_adjacent ? at / kLines : at % kTile;
      if (first + line >= lines || begin + place >= length) continue;
      tile[place][line] =
          kColumns ? weight_at(matrix, begin + place, first + line) : weight_at(matrix, first + line, begin + place);
    }
    if (threadIdx.x < kTile && begin + threadIdx.x < length)
      scale[threadIdx.x] = scales != nullptr ? scales[begin + threadIdx.x] : 1.0;
    __syncthreads();
    if (threadIdx.x < kLines && first + threadIdx.x < lines) {
      const uint32_t count = static_cast<uint32_t>(length - begin < kTile ? length - begin : kTile);
#pragma unroll 8
      for (uint32_t place = 0; place < count; ++place) {
        const double v = static_cast<double>(tile[place][threadIdx.x]) * scale[place];
        sum += v * v;
      }
    }
    __syncthreads();
  }
  if (threadIdx.x < kLines && first + threadIdx.x < lines) sums[first + threadIdx.x] = sum;
}

template <bool kColumns>
int squares(const MatrixView& matrix, const double* scales, double* sums, CUstream_st* stream) {
  const uint64_t lines = kColumns ? matrix.columns : matrix.rows;
  if (lines == 0) return cudaSuccess;
  squares_kernel<kColumns>
      <<<static_cast<uint32_t>((lines + kLines - 1) / kLines), 256, 0, stream>>>(matrix, scales, sums);
  return cudaGetLastError();
}

}  // namespace

int squares_of_columns(const MatrixView& matrix, const double* scales, double* sums, CUstream_st* stream) {
  return squares<true>(matrix, scales, sums, stream);
}
int squares_of_rows(const MatrixView& matrix, const double* scales, double* sums, CUstream_st* stream) {
  return squares<false>(matrix, scales, sums, stream);
}

}  // namespace nwc::cuda
