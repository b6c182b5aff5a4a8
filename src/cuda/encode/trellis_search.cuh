// A block of rows and columns along a trellis: the device's quantise/trellis_search.cc, one path through the rows of a
// column, whose survivors' errors move the rows above. The first threads search: four have a state, a branch and a
// neighbour each when they choose, a quarter of the rows each when what a choice leaves over moves the rows above. A
// thread for each row makes ready meanwhile what the next column's search reads, so that a step waits for the step
// before it and for one cost.
#pragma once

#include "cuda/encode/plain_block.cuh"
#include "cuda/encode/scale_classes.cuh"

namespace nwc::cuda {

inline constexpr uint32_t kMostStates = 64, kThreadsPerState = 4;
// States whose search has a kernel of its own: a warp has all of them, and where they go on fits a word.
inline constexpr uint32_t kStatesOfWarp = 8;
// Threads that trace the best path of any trellis, which search too.
inline constexpr uint32_t kWalking = kThreadsPerState;

// Survivors, by state; in shared memory.
struct TrellisScratch {
  static constexpr uint32_t kStride = kSide + 16;  // of moves: neighbouring states in other banks
  float* moves;                                    // [2][states][kStride]: of the rows above
  float* totals;                                   // [2][states]
  int32_t* values;                                 // [row][states]
  uint8_t* next;                                   // [row][states]: where a path goes on
  float* least;                                    // [2][warps]
  float* scale;                                    // of the column, with its reciprocal
  uint8_t* path;                                   // [row]: the best path's state

  __host__ __device__ static uint32_t bytes(uint32_t states) {
    return states * (2 * kStride * 4 + 2 * 4 + kSide * 4 + kSide) + kMostStates + 16 + kSide;
  }
  __device__ TrellisScratch(void* memory, uint32_t states) {
    moves = static_cast<float*>(memory);
    totals = moves + 2 * states * kStride;
    values = reinterpret_cast<int32_t*>(totals + 2 * states);
    next = reinterpret_cast<uint8_t*>(values + kSide * states);
    least = reinterpret_cast<float*>(next + kSide * states);
    scale = least + kMostStates / 4;
    path = reinterpret_cast<uint8_t*>(scale + 4);
  }
};

// What one column's path is searched in; in shared memory, by rows.
struct ColumnOnTrellis {
  struct Factor {
    float factor, reciprocal;
  };
  struct Target {
    float base, move;
  };
  const Factor* factors;   // [row]
  const Target* targets;   // [row]
  const CostTable* costs;  // [2][row]: of even and of odd integers
};

// A divisor's reciprocal for divided(); not a number where the divisor is too far from 1 for it, or not positive.
__device__ inline float reciprocal_of(float divisor) {
  return divisor > 0x1p-20f && divisor < 0x1p20f ? __frcp_rn(divisor) : NAN;
}

// a / b as the cores round it, where the quotient is not far from 1 either: a product with the reciprocal, and a look
// at what it leaves over.
__device__ inline float divided(float a, float b, float of_b) {
  const float near = a * of_b;
  return __fmaf_rn(__fmaf_rn(-near, b, a), of_b, near);
}

// Whether 2^-40 <= |x| < 2^29: no number of steps out of divided() is wrong there.
__device__ inline bool is_near(float x) {
  constexpr uint32_t kLeast = (127u - 40) << 23, kEnd = (127u + 29) << 23;
  return __float_as_uint(fabsf(x)) - kLeast < kEnd - kLeast;
}

__device__ inline float clamped_steps(float target, float scale, float factor) {
  constexpr float kMost = static_cast<float>(1 << 29);
  const float x = in_steps(target, scale, factor);
  return x == x ? fminf(fmaxf(x, -kMost), kMost) : 0.0f;
}

// Fills the scratch's values and next states, for threads below 4 * states. kStates: of the trellis; 0: any. Without
// kExact, whether it is right: targets are divided by way of reciprocals, which numbers far from 1 do not bear.
template <uint32_t kStates, bool kExact>
__device__ inline bool search_column(const PlainTask& plain, const ColumnOnTrellis& column,
                                     const float (&coefficients)[kSide][kSide], const TrellisScratch& scratch) {
  constexpr float kDead = INFINITY;
  constexpr bool kOneWarp = kStates == kStatesOfWarp;
  constexpr uint32_t kQuads = kSide / 4 / kThreadsPerState;  // of rows that a thread moves
  const uint32_t states = kStates != 0 ? kStates : plain.states, t = threadIdx.x, at_work = states * kThreadsPerState;
  const bool feedback = plain.row_coefficients != nullptr, one_warp = kOneWarp || at_work <= 32;
  const uint32_t state = t / kThreadsPerState, q = t % kThreadsPerState;
  const bool odd_branch = (q & 1) != 0, upper = q >> 1 != 0;
  const uint32_t mask = !kOneWarp && at_work < 32 ? (1u << at_work) - 1 : 0xFFFFFFFFu, warps = (at_work + 31) / 32;
  const auto wait = [&] {
    if (one_warp)
      __syncwarp(mask);
    else
      asm volatile("bar.sync 2, %0;" ::"r"(at_work) : "memory");
  };
  const uint32_t to_0 = plain.trellis[2 * state], to_1 = plain.trellis[2 * state + 1], mine = odd_branch ? to_1 : to_0;
  const int32_t residue = (odd_branch ? 2 : 0) + static_cast<int32_t>(state & 1);
  const CostTable* const costs = column.costs + (state & 1) * kSide;
  const float scale = scratch.scale[0], of_scale = scratch.scale[1];
  if (q == 0) scratch.totals[state] = 0.0f;
  if (feedback) {
    for (uint32_t i = q; i < kSide; i += kThreadsPerState)
      scratch.moves[state * TrellisScratch::kStride + i] = column.targets[i].move;
  }
  wait();
  bool near = true;
  float least = 0;
  ColumnOnTrellis::Factor row = column.factors[kSide - 1];
  ColumnOnTrellis::Target target = column.targets[kSide - 1];
  CostTable table = costs[kSide - 1];
#pragma unroll 2
  for (uint32_t r = kSide; r-- > 0;) {
    const uint32_t now = (kSide - 1 - r) % 2, from = now * states, into = (1 - now) * states;
    if (kOneWarp) {
      const float4* const totals = reinterpret_cast<const float4*>(scratch.totals + from);
      const float4 a = totals[0], b = totals[1];
      least = fminf(fminf(fminf(a.x, a.y), fminf(a.z, a.w)), fminf(fminf(b.x, b.y), fminf(b.z, b.w)));
    }
    const float total = scratch.totals[from + mine] - least;
    if (feedback) target.move = scratch.moves[(from + mine) * TrellisScratch::kStride + r];
    const float aim = target.base + target.move;
    float x;
    if (kExact) {
      x = clamped_steps(aim, scale, row.factor);
    } else {
      x = divided(divided(aim, scale, of_scale), row.factor, row.reciprocal);
      near = near && is_near(x);
    }
    const int32_t below = 4 * static_cast<int32_t>(floorf((x - static_cast<float>(residue)) * 0.25f)) + residue;
    int32_t value = upper ? below + 4 : below;
    const uint32_t index = static_cast<uint32_t>(value >> 1) - static_cast<uint32_t>(table.first);
    const float symbol = table.of[min(index, table.count)], d = x - static_cast<float>(value);
    float cost = odd_branch && index >= table.count ? kDead : d * d + symbol;
    // Of two equal ones the lower, and the even branch.
    float other = __shfl_xor_sync(mask, cost, 2);
    value = (upper ? cost : other) < (upper ? other : cost) ? below + 4 : below;
    cost = fminf(cost, other) + total;
    other = __shfl_xor_sync(mask, cost, 1);
    const int32_t value_of_other = __shfl_xor_sync(mask, value, 1);
    const bool odd_is_best = (odd_branch ? cost : other) < (odd_branch ? other : cost);
    const uint32_t best = odd_is_best ? to_1 : to_0;
    cost = fminf(cost, other);
    value = odd_is_best == odd_branch ? value : value_of_other;
    if (feedback) {
      const float left = target.base - static_cast<float>(value) * scale * row.factor;
      const float4* const moved =
          reinterpret_cast<const float4*>(scratch.moves + (from + best) * TrellisScratch::kStride) + q;
      float4* const moves = reinterpret_cast<float4*>(scratch.moves + (into + state) * TrellisScratch::kStride) + q;
      const float4* const weights = reinterpret_cast<const float4*>(coefficients[r]) + q;
#pragma unroll
      for (uint32_t i = 0; i < kQuads; ++i) {
        if (4 * kThreadsPerState * i >= r) break;  // rows that are done
        const float4 m = moved[kThreadsPerState * i], w = weights[kThreadsPerState * i];
        moves[kThreadsPerState * i] =
            make_float4(m.x + left * w.x, m.y + left * w.y, m.z + left * w.z, m.w + left * w.w);
      }
    }
    if (q == 0) {
      scratch.totals[into + state] = cost;
      scratch.values[r * states + state] = value;
      scratch.next[r * states + state] = static_cast<uint8_t>(best);
    }
    if (!kOneWarp) {
      const float low = __uint_as_float(__reduce_min_sync(mask, __float_as_uint(cost)));  // costs are not negative
      if (one_warp)
        least = low;
      else if (t % 32 == 0)
        scratch.least[now * (kMostStates / 8) + t / 32] = low;
    }
    const uint32_t next = r > 0 ? r - 1 : 0;
    row = column.factors[next];
    target = column.targets[next];
    table = costs[next];
    wait();
    if (!one_warp) {
      least = scratch.least[now * (kMostStates / 8)];
      for (uint32_t w = 1; w < warps; ++w) least = fminf(least, scratch.least[now * (kMostStates / 8) + w]);
    }
  }
  return kExact || __all_sync(mask, near);
}

// The states of the path that ends best, by rows, for the threads that searched.
template <uint32_t kStates>
__device__ inline void trace_path(const TrellisScratch& scratch, uint32_t states) {
  if constexpr (kStates == kStatesOfWarp) {
    // Rows as words of 4 bits a state, so that a step takes a shift.
    const uint32_t lane = threadIdx.x;
    uint32_t words[2];
#pragma unroll
    for (uint32_t i = 0; i < 2; ++i) {
      const uint2 next = reinterpret_cast<const uint2*>(scratch.next)[lane + 32 * i];
      const auto packed = [](uint32_t four) {
        const uint32_t pairs = (four | four >> 4) & 0x00FF00FF;
        return (pairs | pairs >> 8) & 0xFFFF;
      };
      words[i] = packed(next.x) | packed(next.y) << 16;
    }
    uint32_t state = 0;
#pragma unroll
    for (uint32_t i = 0; i < 2; ++i) {
      uint32_t mine = 0;
#pragma unroll 8
      for (uint32_t r = 0; r < 32; ++r) {
        const uint32_t word = __shfl_sync(0xFFFFFFFFu, words[i], r);
        if (r == lane) mine = state;
        state = word >> (4 * state) & 15;
      }
      scratch.path[lane + 32 * i] = static_cast<uint8_t>(mine);
    }
  } else if (threadIdx.x < kWalking) {
    // All walk, in step; each keeps some of the rows.
    uint32_t state = 0;
    for (uint32_t r = 0; r < kSide; ++r) {
      if (r % kWalking == threadIdx.x) scratch.path[r] = static_cast<uint8_t>(state);
      state = scratch.next[r * states + state];
    }
  }
}

// A row's part of a column, made ready while the column behind it is searched.
struct RowAhead {
  uint64_t column;
  float scale, original;
  float base;  // as far as the columns behind that one go
  CostTable even, odd;
};

// A row's part of the column that was searched last, written while the next one is searched.
struct RowBehind {
  uint64_t column;
  int32_t value;
  float scale, original, base, decoded;
};

// All columns of the block, for all threads of a thread block. What the caller loaded is in `tiles`, whose `left` is
// free where the scratch fits it. `own_costs`: a copy of the task's in shared memory, or null. `sums`: of each row, in
// the end; before, costs.
template <uint32_t kStates>
__device__ inline void quantise_along_trellis(const QuantiserTask& task, const PlainTask& plain, const Place& place,
                                              PlainTiles& tiles, const TrellisScratch& scratch, const float* own_costs,
                                              double (&sums)[kSums][kSide]) {
  __shared__ ColumnOnTrellis::Factor factors[kSide];
  __shared__ ColumnOnTrellis::Target targets[kSide];
  static_assert(sizeof sums == 2 * kSide * sizeof(CostTable));
  CostTable* const costs = reinterpret_cast<CostTable*>(&sums);  // [2][row]
  const uint32_t states = kStates != 0 ? kStates : plain.states, searching = states * kThreadsPerState,
                 whole_warps = (searching + 31) / 32 * 32;
  // Threads of their own for the rows, where there are as many.
  const uint32_t first_of_rows = whole_warps + kSide <= kPlainThreads ? kPlainThreads - kSide : 0,
                 threads = first_of_rows != 0 ? whole_warps + kSide : kPlainThreads;
  const bool searches = threadIdx.x < searching,
             has_row = threadIdx.x >= first_of_rows && threadIdx.x < first_of_rows + kSide;
  const auto wait = [&] {
    __syncwarp();  // lanes that did not search, or trace, would arrive for those that do
    asm volatile("bar.sync 1, %0;" ::"r"(threads) : "memory");
  };

  const uint32_t r = threadIdx.x - first_of_rows;
  const uint64_t n = task.matrix.columns;
  uint64_t in_matrix = task.matrix.rows;
  if (has_row && r < place.rows) in_matrix = row_at_work(task, plain.chunk, place.first_row + r);
  const bool inside = in_matrix < task.matrix.rows;
  const float factor = inside ? (task.factors != nullptr ? task.factors[in_matrix] : 1.0f) : 0.0f;
  if (has_row) factors[r] = {factor, reciprocal_of(factor)};
  const bool rows_near = __syncthreads_and(!has_row || reciprocal_of(factor) > 0) != 0;
  if (first_of_rows != 0 && !has_row && threadIdx.x >= whole_warps) return;

  RowAhead ahead{};
  const auto make_ready = [&](uint32_t c) {
    ahead.column = column_at(task, place.begin + c);
    const uint32_t context = context_of(plain.classes, ahead.column, in_matrix);
    ahead.scale = task.scales[ahead.column];
    ahead.even = plain.costs[context];
    ahead.odd = plain.costs[context + static_cast<uint32_t>(plain.classes.odd)];
    if (own_costs != nullptr) {
      ahead.even.of = own_costs + (ahead.even.of - plain.cost_values);
      ahead.odd.of = own_costs + (ahead.odd.of - plain.cost_values);
    }
    ahead.original = inside ? weight_at(task.matrix, in_matrix, ahead.column) : 0.0f;
    float base = tiles.base[c][r];
#pragma unroll 8
    for (uint32_t k = place.columns - 1; k > c + 1; --k) base += tiles.columns[k][c] * tiles.errors[k][r];
    ahead.base = base;
  };
  double of_row[kSums] = {};
  RowBehind behind{};
  const auto finish = [&](uint32_t c) {
    if (r < place.rows) task.symbols[(place.first_row + r) * n + behind.column] = behind.value;
    finish_weight(task, plain, place, r, c, inside, behind.original, behind.base, behind.decoded,
                  static_cast<double>(behind.scale) * factor, tiles.errors, of_row);
  };
  if (has_row) make_ready(place.columns - 1);
  for (uint32_t c = place.columns; c-- > 0;) {
    const RowBehind now{ahead.column, 0, ahead.scale, ahead.original, ahead.base, 0};
    float base = ahead.base;
    if (has_row) {
      if (c + 1 < place.columns) base += tiles.columns[c + 1][c] * tiles.errors[c + 1][r];
      targets[r] = {base, tiles.moves[c][r]};
      costs[r] = ahead.even;
      costs[kSide + r] = ahead.odd;
      if (r == 0) scratch.scale[0] = now.scale, scratch.scale[1] = reciprocal_of(now.scale);
    }
    wait();
    if (searches) {
      const ColumnOnTrellis column{factors, targets, costs};
      if (kStates == 0 || !rows_near || !search_column<kStates, false>(plain, column, tiles.rows, scratch))
        search_column<kStates, true>(plain, column, tiles.rows, scratch);
      trace_path<kStates>(scratch, states);
    }
    if (has_row && c + 1 < place.columns) finish(c + 1);
    if (has_row && c > 0) make_ready(c - 1);
    wait();
    if (has_row) {
      behind = now;
      behind.base = base;
      behind.value = scratch.values[r * states + scratch.path[r]];
      behind.decoded = static_cast<float>(behind.value) * behind.scale * factor;
      tiles.errors[c][r] = static_cast<float>(static_cast<double>(behind.original) - behind.decoded);
    }
  }
  if (has_row) {
    finish(0);
    for (uint32_t i = 0; i < kSums; ++i) sums[i][r] = of_row[i];
  }
}

}  // namespace nwc::cuda
