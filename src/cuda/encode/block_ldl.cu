// Factors of Hessians in binary64. Every entry's sum runs in the order of guide/block_ldl.cc, products and differences
// rounded one by one (this library is compiled without contraction), so that a checkpoint compressed here has the bytes
// of one compressed on the cores, which a library's factorisation would not give.
#include <cuda_runtime.h>

#include "cuda/encode/kernels.h"

namespace nwc::cuda {
namespace {

constexpr uint32_t kPanel = 32;  // columns eliminated together: a row of them fits registers

__global__ void place_kernel(const float* triangle, const uint32_t* order, uint64_t n, double added, double* a) {
  const uint64_t i = blockIdx.x, j = uint64_t{blockIdx.y} * blockDim.x + threadIdx.x;
  if (j > i) return;
  const uint64_t x = order[i], y = order[j], row = x > y ? x : y, column = x > y ? y : x;
  const double value = triangle[row * (row + 1) / 2 + column];
  a[i * n + j] = i == j ? value + added : value;
}

// The diagonal block of the panel that begins at `first`: one thread block, a thread for each of its rows.
__global__ void __launch_bounds__(kPanel)
    diagonal_kernel(double* a, uint64_t n, uint64_t first, uint32_t width, uint32_t* failed) {
  __shared__ double block[kPanel][kPanel + 1];
  const uint32_t i = threadIdx.x;
  for (uint32_t at = threadIdx.x; at < width * width; at += blockDim.x) {
    if (at % width <= at / width) block[at / width][at % width] = a[(first + at / width) * n + first + at % width];
  }
  __syncthreads();
  for (uint32_t k = 0; k < width; ++k) {
    if (i == k) {
      const double pivot = block[k][k];
      if (!(pivot > 0) || !isfinite(pivot)) *failed = 1;
      block[k][k] = sqrt(pivot);
    }
    __syncthreads();
    if (i > k && i < width) block[i][k] = block[i][k] / block[k][k];
    __syncthreads();
    if (i > k && i < width) {
      for (uint32_t j = k + 1; j <= i; ++j) block[i][j] -= block[i][k] * block[j][k];
    }
  }
  __syncthreads();
  for (uint32_t at = threadIdx.x; at < width * width; at += blockDim.x) {
    if (at % width <= at / width) a[(first + at / width) * n + first + at % width] = block[at / width][at % width];
  }
}

// The rows below it, a thread each.
constexpr uint32_t kBelowThreads = 64;
__global__ void __launch_bounds__(kBelowThreads) below_kernel(double* a, uint64_t n, uint64_t first, uint32_t width) {
  __shared__ double block[kPanel][kPanel];  // its lower triangle
  for (uint32_t at = threadIdx.x; at < width * width; at += blockDim.x) {
    if (at % width <= at / width) block[at / width][at % width] = a[(first + at / width) * n + first + at % width];
  }
  __syncthreads();
  const uint64_t i = first + width + uint64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= n) return;
  double row[kPanel];
  double* const from = a + i * n + first;
#pragma unroll
  for (uint32_t k = 0; k < kPanel; ++k) row[k] = k < width ? from[k] : 0.0;
#pragma unroll
  for (uint32_t j = 0; j < kPanel; ++j) {
    if (j >= width) break;
    row[j] = row[j] / block[j][j];
#pragma unroll
    for (uint32_t k = j + 1; k < kPanel; ++k) {
      if (k < width) row[k] -= row[j] * block[k][j];
    }
  }
#pragma unroll
  for (uint32_t k = 0; k < kPanel; ++k) {
    if (k < width) from[k] = row[k];
  }
}

// The update of the trailing matrix by the panel's columns; tiles of 64 x 64 of the lower triangle.
constexpr uint32_t kTile = 64, kTileStride = kTile + 2;
constexpr uint32_t kUpdateBytes = 2 * kPanel * kTileStride * sizeof(double);
__global__ void __launch_bounds__(256) update_kernel(double* a, uint64_t n, uint64_t first, uint32_t width) {
  extern __shared__ double panels[];
  double* const left = panels;                          // [k][row of the tile]
  double* const right = panels + kPanel * kTileStride;  // [k][column of the tile]
  // Tile (x, y), y <= x, of the triangle, from its number.
  const uint32_t number = blockIdx.x;
  uint32_t x = static_cast<uint32_t>((sqrt(8.0 * number + 1.0) - 1.0) / 2.0);
  while ((x + 1) * (x + 2) / 2 <= number) ++x;
  while (x * (x + 1) / 2 > number) --x;
  const uint32_t y = number - x * (x + 1) / 2;
  const uint64_t begin = first + width, row_begin = begin + uint64_t{x} * kTile,
                 column_begin = begin + uint64_t{y} * kTile;
  for (uint32_t at = threadIdx.x; at < kTile * width; at += blockDim.x) {
    const uint32_t k = at % width, i = at / width;
    left[k * kTileStride + i] = row_begin + i < n ? a[(row_begin + i) * n + first + k] : 0.0;
    right[k * kTileStride + i] = column_begin + i < n ? a[(column_begin + i) * n + first + k] : 0.0;
  }
  __syncthreads();
  const uint32_t i = threadIdx.x / 16 * 4, j = threadIdx.x % 16 * 4;
  double sum[4][4];
#pragma unroll
  for (uint32_t p = 0; p < 4; ++p) {
#pragma unroll
    for (uint32_t q = 0; q < 4; ++q) {
      const uint64_t r = row_begin + i + p, c = column_begin + j + q;
      sum[p][q] = r < n && c <= r ? a[r * n + c] : 0.0;
    }
  }
  for (uint32_t k = 0; k < width; ++k) {
    double l[4], r[4];
#pragma unroll
    for (uint32_t p = 0; p < 4; ++p) l[p] = left[k * kTileStride + i + p], r[p] = right[k * kTileStride + j + p];
#pragma unroll
    for (uint32_t p = 0; p < 4; ++p) {
#pragma unroll
      for (uint32_t q = 0; q < 4; ++q) sum[p][q] -= l[p] * r[q];
    }
  }
#pragma unroll
  for (uint32_t p = 0; p < 4; ++p) {
#pragma unroll
    for (uint32_t q = 0; q < 4; ++q) {
      const uint64_t r = row_begin + i + p, c = column_begin + j + q;
      if (r < n && c <= r) a[r * n + c] = sum[p][q];
    }
  }
}

__global__ void columns_kernel(const double* c, uint64_t n, float* coefficients, uint64_t stride) {
  const uint64_t j = blockIdx.x, k = uint64_t{blockIdx.y} * blockDim.x + threadIdx.x;
  if (k >= stride) return;
  coefficients[j * stride + k] = k < j ? static_cast<float>(c[j * n + k] / c[k * n + k]) : 0.0f;
}

// Row j against the diagonal block of C that begins at `first`: x C_bb = c_j, from the last column of the block to the
// first.
constexpr uint32_t kMaxBlock = 128;
__global__ void blocks_kernel(const double* c, uint64_t n, uint32_t block, float* coefficients, uint64_t stride) {
  const uint64_t j = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x, first = uint64_t{blockIdx.y} * block;
  if (j >= n || first + block > j / block * block) return;
  double x[kMaxBlock];
  for (uint32_t k = block; k-- > 0;) {
    double sum = c[j * n + first + k];
    for (uint32_t l = k + 1; l < block; ++l) sum -= x[l] * c[(first + l) * n + first + k];
    x[k] = sum / c[(first + k) * n + first + k];
    coefficients[j * stride + first + k] = static_cast<float>(x[k]);
  }
}

__global__ void pivots_kernel(const double* c, uint64_t n, double* pivots) {
  const uint64_t k = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (k < n) pivots[k] = c[k * n + k] * c[k * n + k];
}

uint32_t blocks_of(uint64_t items, uint32_t each) { return static_cast<uint32_t>((items + each - 1) / each); }

}  // namespace

int place_hessian(const float* triangle, const uint32_t* order, uint64_t n, double added, double* a,
                  CUstream_st* stream) {
  if (n == 0) return cudaSuccess;
  place_kernel<<<dim3(static_cast<uint32_t>(n), blocks_of(n, 256)), 256, 0, stream>>>(triangle, order, n, added, a);
  return cudaGetLastError();
}

int cholesky(double* a, uint64_t n, uint32_t* failed, CUstream_st* stream) {
  if (const cudaError_t error =
          cudaFuncSetAttribute(update_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kUpdateBytes))
    return error;
  for (uint64_t first = 0; first < n; first += kPanel) {
    const uint32_t width = static_cast<uint32_t>(n - first < kPanel ? n - first : kPanel);
    diagonal_kernel<<<1, kPanel, 0, stream>>>(a, n, first, width, failed);
    const uint64_t below = n - first - width;
    if (below == 0) break;
    below_kernel<<<blocks_of(below, kBelowThreads), kBelowThreads, 0, stream>>>(a, n, first, width);
    const uint32_t tiles = blocks_of(below, kTile);
    update_kernel<<<tiles*(tiles + 1) / 2, 256, kUpdateBytes, stream>>>(a, n, first, width);
  }
  return cudaGetLastError();
}

int feedback_coefficients(const double* c, uint64_t n, uint32_t block, float* coefficients, uint64_t stride,
                          double* pivots, CUstream_st* stream) {
  if (n == 0) return cudaSuccess;
  if (block == 1) {
    columns_kernel<<<dim3(static_cast<uint32_t>(n), blocks_of(stride, 256)), 256, 0, stream>>>(c, n, coefficients,
                                                                                               stride);
  } else {
    if (const cudaError_t error = cudaMemsetAsync(coefficients, 0, n * stride * sizeof(float), stream)) return error;
    blocks_kernel<<<dim3(blocks_of(n, 128), blocks_of(n, block)), 128, 0, stream>>>(c, n, block, coefficients, stride);
  }
  pivots_kernel<<<blocks_of(n, 256), 256, 0, stream>>>(c, n, pivots);
  return cudaGetLastError();
}

}  // namespace nwc::cuda
