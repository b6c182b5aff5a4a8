// A block of rows and columns at work: what the kernels of codecs without a transform share.
#pragma once

#include "cuda/encode/matrix_access.cuh"

namespace nwc::cuda {

inline constexpr uint32_t kSide = kPlainBlock, kPlainThreads = 256;

// A thread block's shared memory. [position][row] of a block, or of as many finished positions; likewise
// [row][position].
struct PlainTiles {
  float errors[kSide][kSide];   // [position][row]: e
  float columns[kSide][kSide];  // [later position][position]: L
  float left[kSide][kSide];     // [row][position]: v
  float rows[kSide][kSide];     // [row below][row]: M
  float base[kSide][kSide];     // [position][row]: w + u as far as finished columns go
  float moves[kSide][kSide];    // [position][row]: what rows below the block feed back
};

// Where a block of rows and columns stands.
struct Place {
  uint64_t first_row, begin;  // among the rows at work; position
  uint32_t rows, columns;
};

__device__ inline uint64_t row_at_work(const QuantiserTask& task, uint32_t chunk, uint64_t row) {
  return uint64_t{task.stripes[row / chunk]} * chunk + row % chunk;
}
__device__ inline uint64_t column_at(const QuantiserTask& task, uint64_t position) {
  return task.order != nullptr ? task.order[position] : position;
}

// A weight of the block once its integer is known: its errors go to those who hear of them, and into the sums.
__device__ inline void finish_weight(const QuantiserTask& task, const PlainTask& plain, const Place& place, uint32_t r,
                                     uint32_t c, bool inside, float original, float base, float decoded, double unit,
                                     float (&errors)[kSide][kSide], double (&sums)[kSums]) {
  const uint64_t row = place.first_row + r, position = place.begin + c;
  const float left = base - decoded;
  const double o = original, wrong = o - decoded;
  errors[c][r] = static_cast<float>(wrong);
  if (task.errors != nullptr) {
    task.errors[(place.first_row * task.matrix.columns) + position * kSide + r] = static_cast<float>(wrong);
    if (plain.row_coefficients != nullptr) plain.left[row * plain.left_stride + position] = left;
  }
  if (!inside) return;
  sums[0] += wrong * wrong;
  if (unit > 0) sums[1] += wrong * wrong / (unit * unit);
  sums[2] += o * o;
  if (task.order != nullptr && task.block_size == 1)
    sums[3] += task.pivots[position] * static_cast<double>(left) * left;
}

__device__ inline float cost_at(const CostTable& table, int32_t value) {
  const int64_t index = int64_t{value} - table.first;
  return table.of[index >= 0 && index < table.count ? index : table.count];
}

// The number that an integer stands near.
__device__ inline float in_steps(float target, float scale, float factor) {
  return scale > 0 && factor > 0 ? __fdiv_rn(__fdiv_rn(target, scale), factor) : 0.0f;
}

}  // namespace nwc::cuda
