// Codecs without a transform from weights to symbols, with feedback along columns and rows: the device's
// quantise/two_sided_feedback.cc, and quantise/rate_aware_rounding.h.
#include <cuda_runtime.h>

#include "cuda/encode/plain_block.cuh"
#include "cuda/encode/rounding.cuh"
#include "cuda/encode/scale_classes.cuh"
#include "cuda/encode/trellis_search.cuh"
#include "cuda/support/ptx.cuh"

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

// The same later, as part of the thread's next group of copies. Strides, `at` and `width` are multiples of 4.
__device__ void ask_for_square(const float* from, uint64_t stride, uint64_t line, uint64_t lines, uint64_t at,
                               uint64_t width, float (*to)[kSide]) {
  for (uint32_t i = threadIdx.x; i < kSide * kSide / 4; i += kPlainThreads) {
    const uint32_t j = i / (kSide / 4), k = i % (kSide / 4) * 4;
    const bool there = line + j < lines && at + k < width;
    copy_16_later(&to[j][k], there ? from + (line + j) * stride + at + k : from, there);
  }
}

// Two squares in shared memory.
struct SquarePair {
  float (*x)[kSide], (*y)[kSide];
};

// sums[i][q] += x[j][column q] * y[j][row i] over lines j in [done, lines), descending, of two arrays whose squares
// from a line on `ask` asks for; one pair of them is multiplied while the other arrives. `done` is a multiple of kSide,
// or `lines`.
template <class Ask>
__device__ void add_products(uint64_t done, uint64_t lines, SquarePair first, SquarePair second, const Ask& ask,
                             float (&sums)[kEach][kEach]) {
  if (done >= lines) return;
  const uint32_t row = threadIdx.x / (kSide / kEach) * kEach, column = threadIdx.x % (kSide / kEach) * kEach;
  const uint64_t last = (lines - 1) / kSide, end = done / kSide;
  ask(last * kSide, first);
  close_copies();
  for (uint64_t tile = last + 1; tile-- > end;) {
    const bool even = (last - tile) % 2 == 0;
    const SquarePair now = even ? first : second;
    if (tile > end) ask((tile - 1) * kSide, even ? second : first);
    close_copies();
    wait_for_copies<1>();
    __syncthreads();
    const uint64_t there = lines - tile * kSide;
    for (uint32_t j = there < kSide ? static_cast<uint32_t>(there) : kSide; j-- > 0;) {
      const float4 a = *reinterpret_cast<const float4*>(&now.x[j][column]);
      const float4 b = *reinterpret_cast<const float4*>(&now.y[j][row]);
      const float by_row[kEach] = {b.x, b.y, b.z, b.w};
#pragma unroll
      for (uint32_t i = 0; i < kEach; ++i) {
        sums[i][0] += a.x * by_row[i], sums[i][1] += a.y * by_row[i];
        sums[i][2] += a.z * by_row[i], sums[i][3] += a.w * by_row[i];
      }
    }
    __syncthreads();  // the pair is used up
  }
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

// kStates: of the trellis; 0: any.
template <bool kTrellis, uint32_t kStates>
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
  const SquarePair one{tiles.columns, tiles.errors}, other{tiles.left, tiles.rows};
  if (task.order != nullptr) {
    const float* const errors = task.errors + place.first_row * n;
    add_products(
        later, n, one, other,
        [&](uint64_t j, SquarePair to) {
          ask_for_square(task.coefficients, task.stride, j, n, place.begin, task.stride, to.x);
          ask_for_square(errors, kSide, j, n, 0, kSide, to.y);
        },
        base);
  }
  if (plain.row_coefficients != nullptr) {
    add_products(
        below, rows_at_work, one, other,
        [&](uint64_t j, SquarePair to) {
          ask_for_square(plain.left, plain.left_stride, j, rows_at_work, place.begin, plain.left_stride, to.x);
          ask_for_square(plain.row_coefficients, plain.row_stride, j, task.matrix.rows, place.first_row,
                         plain.row_stride, to.y);
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
  __shared__ alignas(16) double all[kSums][kSide];
  if constexpr (kTrellis) {
    // The rows' errors are not needed within the block; the scratch takes their place if it fits.
    void* const scratch = TrellisScratch::bytes(plain.states) <= sizeof tiles.left ? static_cast<void*>(&tiles.left)
                                                                                   : shared + sizeof(PlainTiles);
    float* own_costs = nullptr;
    if (plain.own_costs) {
      own_costs = reinterpret_cast<float*>(shared + sizeof(PlainTiles));
      for (uint32_t i = threadIdx.x; i < plain.cost_count; i += kPlainThreads) own_costs[i] = plain.cost_values[i];
      __syncthreads();
    }
    quantise_along_trellis<kStates>(task, plain, place, tiles,
                                    TrellisScratch(scratch, kStates != 0 ? kStates : plain.states), own_costs, all);
  } else if (threadIdx.x < kSide) {
    double sums[kSums] = {};
    quantise_row(task, plain, place, threadIdx.x, tiles, sums);
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

int quantise_plain_codec(const QuantiserTask& task, PlainTask plain, CUstream_st* stream) {
  if (task.slots == 0 || task.matrix.columns == 0) return cudaSuccess;
  const bool trellis = plain.trellis != nullptr;
  auto* const kernel = !trellis                        ? plain_kernel<false, 0>
                       : plain.states == kStatesOfWarp ? plain_kernel<true, kStatesOfWarp>
                                                       : plain_kernel<true, 0>;
  const uint32_t scratch = trellis ? TrellisScratch::bytes(plain.states) : 0;
  auto shared = static_cast<uint32_t>(sizeof(PlainTiles)) + (scratch > sizeof(PlainTiles::left) ? scratch : 0);
  if (kernel == plain_kernel<true, kStatesOfWarp>) {
    // Costs within reach, where a multiprocessor has the room.
    int device = 0, most = 0;
    if (const cudaError_t e = cudaGetDevice(&device); e != cudaSuccess) return e;
    if (const cudaError_t e = cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
        e != cudaSuccess)
      return e;
    cudaFuncAttributes attributes{};
    if (const cudaError_t e = cudaFuncGetAttributes(&attributes, kernel); e != cudaSuccess) return e;
    const uint64_t with_costs = uint64_t{shared} + uint64_t{plain.cost_count} * sizeof(float);
    plain.own_costs = with_costs + attributes.sharedSizeBytes <= static_cast<uint64_t>(most);
    if (plain.own_costs) shared = static_cast<uint32_t>(with_costs);
  }
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
