// Sums over rows.
#include "cuda/train/common.cuh"

namespace nwc::fused {
namespace {

// Threads: 32 columns by 16 parts.
constexpr int kPartRows = 16;
__global__ void sum_parts_kernel(const float* in, int64_t parts, int64_t count, float* out) {
  __shared__ float sums[kPartRows][kWarp];
  const int64_t i = blockIdx.x * static_cast<int64_t>(kWarp) + threadIdx.x;
  in += blockIdx.y * parts * count;
  float sum = 0;
  if (i < count) {
#pragma unroll 4
    for (int64_t p = threadIdx.y; p < parts; p += kPartRows) sum += in[p * count + i];
  }
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || i >= count) return;
  for (int p = 1; p < kPartRows; ++p) sum += sums[p][threadIdx.x];
  out[blockIdx.y * count + i] = sum;
}

// A block sums a slab of rows; threads beyond the width take further rows.
template <typename Value>
__device__ void slab_sums(int64_t begin, int64_t end, int width, float* out, const Value& value) {
  __shared__ float sums[kThreads];
  if (width >= kThreads) {
    for (int c = threadIdx.x; c < width; c += kThreads) {
      float sum = 0;
#pragma unroll 8
      for (int64_t row = begin; row < end; ++row) sum += value(row, c);
      out[c] = sum;
    }
    return;
  }
  const int side = kThreads / width, c = threadIdx.x % width, first = threadIdx.x / width;
  float sum = 0;
  if (first < side) {
    for (int64_t row = begin + first; row < end; row += side) sum += value(row, c);
  }
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (first != 0) return;
  for (int s = 1; s < side; ++s) sum += sums[s * width + c];
  out[c] = sum;
}

__global__ void column_sums_kernel(const bf16* in, int64_t rows, int width, float* out) {
  const int64_t parts = gridDim.x, part = blockIdx.x;
  slab_sums(part * rows / parts, (part + 1) * rows / parts, width, out + part * width,
            [&](int64_t row, int c) { return to_float(in[row * width + c]); });
}

__global__ void product_sums_kernel(const bf16* a, const float* b, int64_t per_level, int width, float* out) {
  const int64_t parts = gridDim.x, part = blockIdx.x, level = blockIdx.y, base = level * per_level;
  slab_sums(base + part * per_level / parts, base + (part + 1) * per_level / parts, width,
            out + (level * parts + part) * width,
            [&](int64_t row, int c) { return to_float(a[row * width + c]) * b[row * width + c]; });
}

}  // namespace

void sum_parts(const float* in, int sets, int64_t parts, int64_t count, float* out, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>((count + kWarp - 1) / kWarp), static_cast<unsigned>(sets));
  sum_parts_kernel<<<grid, dim3(kWarp, kPartRows), 0, stream>>>(in, parts, count, out);
}

void column_sums(const bf16* in, int64_t rows, int width, int64_t parts, float* out, cudaStream_t stream) {
  column_sums_kernel<<<static_cast<int>(parts), kThreads, 0, stream>>>(in, rows, width, out);
}

void product_sums(const bf16* a, const float* b, Batch batch, int width, int64_t parts, float* out,
                  cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(parts), static_cast<unsigned>(batch.levels));
  product_sums_kernel<<<grid, kThreads, 0, stream>>>(a, b, batch.per_level, width, out);
}

}  // namespace nwc::fused
