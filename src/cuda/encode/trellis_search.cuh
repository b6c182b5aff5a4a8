// The Viterbi search along a trellis on the device: quantise/trellis_search.cc for one block of rows and columns, whose
// rows are those of one chunk.
//
// Columns go one after another, and the rows of a column too. Four threads have a state: a branch and a neighbour each
// when they choose, a quarter of the rows each when what a choice leaves over moves the rows above.
#pragma once

#include "cuda/encode/plain_block.cuh"
#include "cuda/encode/scale_classes.cuh"

namespace nwc::cuda {

inline constexpr uint32_t kMostStates = 64, kThreadsPerState = 4;

// Survivors, by state; in shared memory.
struct TrellisScratch {
  static constexpr uint32_t kStride = kSide + 16;  // of moves: neighbouring states in other banks
  float* moves;                                    // [2][states][kStride]: of the rows above
  float* totals;                                   // [2][states]
  int32_t* values;                                 // [row][states]
  uint8_t* branches;                               // [row][states]

  __host__ __device__ static uint32_t bytes(uint32_t states) {
    return states * (2 * kStride * 4 + 2 * 4 + kSide * 4 + kSide);
  }
  __device__ TrellisScratch(void* memory, uint32_t states) {
    moves = static_cast<float*>(memory);
    totals = moves + 2 * states * kStride;
    values = reinterpret_cast<int32_t*>(totals + 2 * states);
    branches = reinterpret_cast<uint8_t*>(values + kSide * states);
  }
};

// Threads that work on a block: those of all states, and one for each row.
__host__ __device__ inline uint32_t trellis_threads(uint32_t states) {
  return states * kThreadsPerState > kSide ? states * kThreadsPerState : kSide;
}

__device__ inline void trellis_barrier(uint32_t threads) { asm volatile("bar.sync 1, %0;" ::"r"(threads) : "memory"); }

// What one column's path is searched in.
struct ColumnOnTrellis {
  float scale;
  const float* base;         // [row]
  const float* moves;        // [row]
  const float* factors;      // [row]
  const uint32_t* contexts;  // [row]: of even integers
};

// Fills the scratch's values and branches, for threads below 4 * states; the others wait.
__device__ inline void search_column(const PlainTask& plain, const ColumnOnTrellis& column,
                                     const float (&coefficients)[kSide][kSide], const TrellisScratch& scratch,
                                     float* least_of_warps) {
  constexpr float kDead = INFINITY, kMost = static_cast<float>(1 << 29);
  const uint32_t states = plain.states, t = threadIdx.x, at_work = states * kThreadsPerState;
  const bool feedback = plain.row_coefficients != nullptr, one_warp = at_work <= 32;
  const uint32_t state = t / kThreadsPerState, q = t % kThreadsPerState, branch = q & 1, upper = q >> 1;
  const uint32_t mask = at_work < 32 ? (1u << at_work) - 1 : 0xFFFFFFFFu, warps = (at_work + 31) / 32;
  const auto wait = [&] {
    if (one_warp)
      __syncwarp(mask);
    else
      asm volatile("bar.sync 2, %0;" ::"r"(at_work) : "memory");
  };
  const uint32_t to[2] = {plain.trellis[2 * state], plain.trellis[2 * state + 1]};
  const auto of_union = static_cast<int32_t>(state & 1), residue = 2 * static_cast<int32_t>(branch) + of_union;
  if (q == 0) scratch.totals[state] = 0.0f;
  if (feedback) {
    for (uint32_t i = q; i < kSide; i += kThreadsPerState)
      scratch.moves[state * TrellisScratch::kStride + i] = column.moves[i];
  }
  wait();
  uint32_t now = 0;
  float least = 0;
  for (uint32_t r = kSide; r-- > 0;) {
    const float factor = column.factors[r];
    const uint32_t mine = to[branch];
    const float move = feedback ? scratch.moves[(now * states + mine) * TrellisScratch::kStride + r] : column.moves[r];
    const float target = column.base[r] + move;
    float x = in_steps(target, column.scale, factor);
    x = x >= -kMost ? fminf(x, kMost) : x < -kMost ? -kMost : 0.0f;
    const int32_t below = 4 * static_cast<int32_t>(floorf((x - static_cast<float>(residue)) * 0.25f)) + residue;
    int32_t value = below + 4 * static_cast<int32_t>(upper);
    const CostTable& table = plain.costs[column.contexts[r] + (of_union != 0 ? plain.classes.odd : 0)];
    const int64_t index = int64_t{value >> 1} - table.first;
    const bool there = index >= 0 && index < table.count;
    const float d = x - static_cast<float>(value);
    float cost = branch != 0 && !there ? kDead : d * d + (there ? table.of[index] : table.beyond);
    const float other_cost = __shfl_xor_sync(mask, cost, 2);
    const int32_t other_value = __shfl_xor_sync(mask, value, 2);
    if (upper != 0 ? !(cost < other_cost) : other_cost < cost) cost = other_cost, value = other_value;
    cost += scratch.totals[now * states + mine] - least;
    const float with_other = __shfl_xor_sync(mask, cost, 1);
    const int32_t value_of_other = __shfl_xor_sync(mask, value, 1);
    const bool mine_is_best = branch != 0 ? cost < with_other : !(with_other < cost);
    const uint32_t best = mine_is_best ? branch : 1 - branch;
    if (!mine_is_best) cost = with_other, value = value_of_other;
    if (q == 0) {
      scratch.totals[(1 - now) * states + state] = cost;
      scratch.values[r * states + state] = value;
      scratch.branches[r * states + state] = static_cast<uint8_t>(best);
    }
    const uint32_t low = __reduce_min_sync(mask, __float_as_uint(cost));  // costs are not negative
    if (!one_warp && t % 32 == 0) least_of_warps[(now * kMostStates / 8) + t / 32] = __uint_as_float(low);
    if (feedback) {
      const float left = column.base[r] - static_cast<float>(value) * column.scale * factor;
      const float4* const from =
          reinterpret_cast<const float4*>(scratch.moves + (now * states + to[best]) * TrellisScratch::kStride);
      float4* const into =
          reinterpret_cast<float4*>(scratch.moves + ((1 - now) * states + state) * TrellisScratch::kStride);
      const float4* const weights = reinterpret_cast<const float4*>(coefficients[r]);
#pragma unroll
      for (uint32_t i = 0; i < kSide / 4 / kThreadsPerState; ++i) {
        const uint32_t at = q + kThreadsPerState * i;
        const float4 m = from[at], w = weights[at];
        into[at] = make_float4(m.x + left * w.x, m.y + left * w.y, m.z + left * w.z, m.w + left * w.w);
      }
    }
    wait();
    if (one_warp) {
      least = __uint_as_float(low);
    } else {
      least = least_of_warps[now * kMostStates / 8];
      for (uint32_t w = 1; w < warps; ++w) least = fminf(least, least_of_warps[(now * kMostStates / 8) + w]);
    }
    now = 1 - now;
  }
}

// All columns of the block, for trellis_threads() threads. What the caller loaded is in `tiles`, whose `left` is free
// where the scratch fits it.
__device__ inline void quantise_along_trellis(const QuantiserTask& task, const PlainTask& plain, const Place& place,
                                              PlainTiles& tiles, const TrellisScratch& scratch, double (&sums)[kSums]) {
  __shared__ float factors[kSide], least_of_warps[2 * (kMostStates / 8)];
  __shared__ uint32_t contexts[kSide];
  __shared__ int32_t integers[kSide];
  const uint32_t threads = trellis_threads(plain.states), r = threadIdx.x;
  const uint64_t n = task.matrix.columns;
  uint64_t in_matrix = task.matrix.rows;
  bool inside = false;
  if (r < kSide) {
    if (r < place.rows) in_matrix = row_at_work(task, plain.chunk, place.first_row + r);
    inside = in_matrix < task.matrix.rows;
    factors[r] = inside ? (task.factors != nullptr ? task.factors[in_matrix] : 1.0f) : 0.0f;
  }
  for (uint32_t c = place.columns; c-- > 0;) {
    const uint64_t column = column_at(task, place.begin + c);
    const float scale = task.scales[column];
    if (r < kSide) {
      float base = tiles.base[c][r];
      for (uint32_t k = place.columns - 1; k > c; --k) base += tiles.columns[k][c] * tiles.errors[k][r];
      tiles.base[c][r] = base;
      contexts[r] = context_of(plain.classes, column, in_matrix);
    }
    trellis_barrier(threads);
    if (r < plain.states * kThreadsPerState) {
      search_column(plain, {scale, tiles.base[c], tiles.moves[c], factors, contexts}, tiles.rows, scratch,
                    least_of_warps);
    }
    trellis_barrier(threads);
    if (r == 0) {
      uint32_t state = 0;
      for (uint32_t i = 0; i < kSide; ++i) {
        integers[i] = scratch.values[i * plain.states + state];
        state = plain.trellis[2 * state + scratch.branches[i * plain.states + state]];
      }
    }
    trellis_barrier(threads);
    if (r < kSide) {
      const int32_t v = integers[r];
      const float factor = factors[r], decoded = static_cast<float>(v) * scale * factor;
      if (r < place.rows) task.symbols[(place.first_row + r) * n + column] = v;
      finish_weight(task, plain, place, r, c, inside, inside ? weight_at(task.matrix, in_matrix, column) : 0.0f,
                    tiles.base[c][r], decoded, static_cast<double>(scale) * factor, tiles.errors, sums);
    }
  }
}

}  // namespace nwc::cuda
