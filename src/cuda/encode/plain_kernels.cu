// Codecs without a transform from weights to symbols, with feedback along columns and rows: the device's
// quantise/two_sided_feedback.cc, and quantise/rate_aware_rounding.h.
#include <cuda_runtime.h>

#include "cuda/encode/plain_block.cuh"
#include "cuda/encode/rounding.cuh"
#include "cuda/encode/scale_classes.cuh"
#include "cuda/encode/trellis_search.cuh"

namespace nwc::cuda {
namespace {

constexpr uint32_t kEach = 4;  // rows and columns of a block that a thread has

// A square of `from`, [lines][stride], at (line, at); 0 beyond its lines and `width`.
__device__ void load_square(const float* from, uint64_t stride, uint64_t line, uint64_t lines, uint64_t at,
                            uint64_t width, float (&to)[kSide][kSide]) {
  for (uint32_t i = threadIdx.x; i < kSide * kSide; i += kPlainThreads) {
    const uint32_t j = i / kSide, k = i % kSide;
    to[j][k] = line + j < lines && at + k < width ? from[(line + j) * stride + at + k] : 0.0f;
  }
}

// sums[i][q] += x[j][column q] * y[j][row i] over lines j in [done, lines), descending, of two arrays whose squares `x`
// and `y` load into shared memory. `done` is a multiple of kSide, or `lines`.
template <class LoadX, class LoadY>
__device__ void add_products(uint64_t done, uint64_t lines, float (&x)[kSide][kSide], float (&y)[kSide][kSide],
                             const LoadX& load_x, const LoadY& load_y, float (&sums)[kEach][kEach]) {
  if (done >= lines) return;
  const uint32_t row = threadIdx.x / (kSide / kEach) * kEach, column = threadIdx.x % (kSide / kEach) * kEach;
  for (uint64_t tile = (lines - 1) / kSide + 1; tile-- > done / kSide;) {
    __syncthreads();  // the tile before is used up
    load_x(tile * kSide);
    load_y(tile * kSide);
    __syncthreads();
    const uint64_t there = lines - tile * kSide;
    for (uint32_t j = there < kSide ? static_cast<uint32_t>(there) : kSide; j-- > 0;) {
      const float4 a = *reinterpret_cast<const float4*>(&x[j][column]);
      const float4 b = *reinterpret_cast<const float4*>(&y[j][row]);
      const float by_row[kEach] = {b.x, b.y, b.z, b.w};
#pragma unroll
      for (uint32_t i = 0; i < kEach; ++i) {
        sums[i][0] += a.x * by_row[i], sums[i][1] += a.y * by_row[i];
        sums[i][2] += a.z * by_row[i], sums[i][3] += a.w * by_row[i];
      }
    }
  }
  __syncthreads();
}

__device__ inline float cost_of(const CostTable& table, float x, int32_t value) {
  const float d = x - static_cast<float>(value);
  return d * d + cost_at(table, value);
}

__device__ inline int32_t round_by_rate(const CostTable& table, float x) {
  int32_t v = round_latent(x);
  for (float cost = cost_of(table, x, v); v != 0;) {
    const int32_t nearer = v > 0 ? v - 1 : v + 1;
    const float less = cost_of(table, x, nearer);
    if (!(less < cost)) break;
    v = nearer;
    cost = less;
  }
  return v;
}

// One row of the block, from its last column to the first; a column behind the row below, so that all that a weight
// hears of is finished.
__device__ void quantise_row(const QuantiserTask& task, const PlainTask& plain, const Place& place, uint32_t r,
                             PlainTiles& tiles, double (&sums)[kSums]) {
  const uint64_t n = task.matrix.columns, row = place.first_row + r;
  const uint64_t in_matrix = r < place.rows ? row_at_work(task, plain.chunk, row) : task.matrix.rows;
  const bool inside = in_matrix < task.matrix.rows;
  const float factor = inside ? (task.factors != nullptr ? task.factors[in_matrix] : 1.0f) : 0.0f;
  for (uint32_t step = 0; step < 2 * kSide - 1; ++step) {
    const uint32_t c = 2 * kSide - 2 - step - r;  // wraps round to a large number before the row's turn
    if (r < place.rows && c < place.columns) {
      const uint64_t column = column_at(task, place.begin + c);
      const float scale = task.scales[column], original = inside ? weight_at(task.matrix, in_matrix, column) : 0.0f;
      float base = tiles.base[c][r], move = tiles.moves[c][r];
      for (uint32_t k = place.columns - 1; k > c; --k) base += tiles.columns[k][c] * tiles.errors[k][r];
      if (plain.row_coefficients != nullptr) {
        for (uint32_t k = place.rows - 1; k > r; --k) move += tiles.left[k][c] * tiles.rows[k][r];
      }
      const float x = in_steps(base + move, scale, factor);
      const int32_t v = inside ? round_by_rate(plain.costs[context_of(plain.classes, column, in_matrix)], x) : 0;
      const float decoded = static_cast<float>(v) * scale * factor;
      tiles.left[r][c] = base - decoded;
      task.symbols[row * n + column] = v;
      finish_weight(task, plain, place, r, c, inside, original, base, decoded, static_cast<double>(scale) * factor,
                    tiles.errors, sums);
    }
    asm volatile("bar.sync 1, 64;" ::: "memory");
  }
}

// Block b of the wave.
struct Wave {
  uint32_t first_row_block, first_column_block, column_step;
};

template <bool kTrellis>
__global__ void __launch_bounds__(kPlainThreads) plain_kernel(QuantiserTask task, PlainTask plain, Wave wave) {
  extern __shared__ __align__(16) unsigned char shared[];
  PlainTiles& tiles = *reinterpret_cast<PlainTiles*>(shared);
  const uint64_t n = task.matrix.columns, rows_at_work = uint64_t{task.slots} * plain.chunk;
  const uint32_t row_block = wave.first_row_block - blockIdx.x,
                 column_block = wave.first_column_block + wave.column_step * blockIdx.x + blockIdx.y;
  Place place{uint64_t{row_block} * kSide, uint64_t{column_block} * kSide, kSide, kSide};
  if (rows_at_work - place.first_row < kSide) place.rows = static_cast<uint32_t>(rows_at_work - place.first_row);
  if (n - place.begin < kSide) place.columns = static_cast<uint32_t>(n - place.begin);
  const uint64_t below = place.first_row + place.rows, later = place.begin + place.columns;

  const uint32_t row = threadIdx.x / (kSide / kEach) * kEach, column = threadIdx.x % (kSide / kEach) * kEach;
  float base[kEach][kEach], moves[kEach][kEach] = {};
#pragma unroll
  for (uint32_t i = 0; i < kEach; ++i) {
#pragma unroll
    for (uint32_t q = 0; q < kEach; ++q) {
      float v = 0;
      if (row + i < place.rows && column + q < place.columns) {
        const uint64_t r = row_at_work(task, plain.chunk, place.first_row + row + i);
        if (r < task.matrix.rows) v = weight_at(task.matrix, r, column_at(task, place.begin + column + q));
      }
      base[i][q] = v;
    }
  }
  if (task.order != nullptr) {
    const float* const errors = task.errors + place.first_row * n;
    add_products(
        later, n, tiles.columns, tiles.errors,
        [&](uint64_t j) { load_square(task.coefficients, task.stride, j, n, place.begin, task.stride, tiles.columns); },
        [&](uint64_t j) { load_square(errors, kSide, j, n, 0, kSide, tiles.errors); }, base);
  }
  if (plain.row_coefficients != nullptr) {
    add_products(
        below, rows_at_work, tiles.left, tiles.rows,
        [&](uint64_t j) {
          load_square(plain.left, plain.left_stride, j, rows_at_work, place.begin, plain.left_stride, tiles.left);
        },
        [&](uint64_t j) {
          load_square(plain.row_coefficients, plain.row_stride, j, task.matrix.rows, place.first_row, plain.row_stride,
                      tiles.rows);
        },
        moves);
    load_square(plain.row_coefficients, plain.row_stride, place.first_row, task.matrix.rows, place.first_row,
                plain.row_stride, tiles.rows);
  }
  if (task.order != nullptr)
    load_square(task.coefficients, task.stride, place.begin, n, place.begin, task.stride, tiles.columns);
  else
    load_square(nullptr, 0, 0, 0, 0, 0, tiles.columns);
#pragma unroll
  for (uint32_t q = 0; q < kEach; ++q) {
#pragma unroll
    for (uint32_t i = 0; i < kEach; ++i) {
      tiles.base[column + q][row + i] = base[i][q];
      tiles.moves[column + q][row + i] = moves[i][q];
    }
  }
  __syncthreads();
  __shared__ double all[kSums][kSide];
  double sums[kSums] = {};
  if constexpr (kTrellis) {
    // The rows' errors are not needed within the block; the scratch takes their place if it fits.
    void* const scratch = TrellisScratch::bytes(plain.states) <= sizeof tiles.left ? static_cast<void*>(&tiles.left)
                                                                                   : shared + sizeof(PlainTiles);
    if (threadIdx.x < trellis_threads(plain.states))
      quantise_along_trellis(task, plain, place, tiles, TrellisScratch(scratch, plain.states), sums);
  } else if (threadIdx.x < kSide) {
    quantise_row(task, plain, place, threadIdx.x, tiles, sums);
  }
  if (threadIdx.x < kSide) {
    for (uint32_t i = 0; i < kSums; ++i) all[i][threadIdx.x] = sums[i];
  }
  __syncthreads();
  if (threadIdx.x < kSums) {
    double sum = 0;
    for (uint32_t r = 0; r < kSide; ++r) sum += all[threadIdx.x][r];
    const uint64_t column_blocks = (n + kSide - 1) / kSide;
    task.sums[(row_block * column_blocks + column_block) * kSums + threadIdx.x] = sum;
  }
}

}  // namespace

uint32_t plain_items(const QuantiserTask& task, uint32_t chunk) {
  const uint64_t rows = uint64_t{task.slots} * chunk;
  return static_cast<uint32_t>((rows + kSide - 1) / kSide * ((task.matrix.columns + kSide - 1) / kSide));
}

int quantise_plain_codec(const QuantiserTask& task, const PlainTask& plain, CUstream_st* stream) {
  if (task.slots == 0 || task.matrix.columns == 0) return cudaSuccess;
  const bool trellis = plain.trellis != nullptr;
  auto* const kernel = trellis ? plain_kernel<true> : plain_kernel<false>;
  const uint32_t scratch = trellis ? TrellisScratch::bytes(plain.states) : 0;
  const auto shared = static_cast<uint32_t>(sizeof(PlainTiles)) + (scratch > sizeof(PlainTiles::left) ? scratch : 0);
  const cudaError_t allowed =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared));
  if (allowed != cudaSuccess) return allowed;
  const auto row_blocks = static_cast<uint32_t>((uint64_t{task.slots} * plain.chunk + kSide - 1) / kSide);
  const auto column_blocks = static_cast<uint32_t>((task.matrix.columns + kSide - 1) / kSide);
  const auto launch = [&](dim3 blocks, Wave wave) {
    kernel<<<blocks, kPlainThreads, shared, stream>>>(task, plain, wave);
  };
  if (task.order == nullptr) {
    launch(dim3(row_blocks, column_blocks), {row_blocks - 1, 0, 0});
  } else if (plain.row_coefficients == nullptr) {
    for (uint32_t c = column_blocks; c-- > 0;) launch(dim3(row_blocks), {row_blocks - 1, c, 0});
  } else {
    for (uint32_t wave = 0; wave < row_blocks + column_blocks - 1; ++wave) {
      const uint32_t first = wave < column_blocks ? 0 : wave - (column_blocks - 1),
                     last = wave < row_blocks ? wave : row_blocks - 1;
      launch(dim3(last - first + 1), {row_blocks - 1 - first, column_blocks - 1 - (wave - first), 1});
    }
  }
  return cudaGetLastError();
}

}  // namespace nwc::cuda
