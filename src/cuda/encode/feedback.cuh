// What the kernels of small and of any codecs share: the targets of columns (weights, plus the errors of finished
// columns times their coefficients), and what becomes of a decoded weight.
#pragma once

#include "cuda/encode/kernels.h"
#include "cuda/encode/matrix_access.cuh"

namespace nwc::cuda {

inline constexpr uint32_t kChunk = 16;                       // weights, and latents, of a chunk
inline constexpr uint32_t kTeam = 128;                       // threads that work on the same stripes
inline constexpr uint32_t kColumnBlock = kCoefficientBlock;  // columns whose targets are computed together

// Waits for the other threads of a team; `team` numbers it within its thread block.
__device__ inline void team_barrier(uint32_t team) { asm volatile("bar.sync %0, 128;" ::"r"(team + 1) : "memory"); }

// A team's shared memory for it.
template <uint32_t kStripes>
struct FeedbackTiles {
  alignas(16) float coefficients[kColumnBlock][kColumnBlock];  // of 32 finished columns, for the block's columns
  alignas(16) float errors[kStripes][kColumnBlock][kChunk];    // of the same columns
};

// The weights of columns at positions b0 + 4 * (thread / 16) + 0 to 3, below b1, rows thread % 16 of the team's
// stripes, and their targets as far as columns at positions from `done` on go: from the last one down, in the order of
// the cores. Columns of an LDL block do not see each other: their coefficients are 0. b0 is a multiple of kColumnBlock.
template <uint32_t kStripes>
__device__ void block_targets(const QuantiserTask& task, const uint32_t (&slots)[kStripes], uint64_t b0, uint64_t b1,
                              uint64_t done, FeedbackTiles<kStripes>& tiles, uint32_t team, uint32_t thread,
                              float (&originals)[4][kStripes], float (&targets)[4][kStripes]) {
  const uint64_t n = task.matrix.columns;
  const uint32_t row = thread % kChunk, place = thread / kChunk * 4;
#pragma unroll
  for (uint32_t q = 0; q < 4; ++q) {
#pragma unroll
    for (uint32_t s = 0; s < kStripes; ++s) {
      float v = 0;
      if (b0 + place + q < b1 && slots[s] < task.slots) {
        const uint64_t r = uint64_t{task.stripes[slots[s]]} * kChunk + row;
        if (r < task.matrix.rows)
          v = weight_at(task.matrix, r, task.order != nullptr ? task.order[b0 + place + q] : b0 + place + q);
      }
      originals[q][s] = targets[q][s] = v;
    }
  }
  if (task.order == nullptr || done >= n) return;

  // A tile ahead waits in registers.
  float4 next_coefficients[2], next_errors[kStripes];
  const auto fetch = [&](uint64_t tile) {
    const uint64_t j0 = tile * kColumnBlock;
#pragma unroll
    for (uint32_t i = 0; i < 2; ++i) {
      const uint32_t at = thread + kTeam * i, j = at / 8;
      next_coefficients[i] =
          j0 + j < n ? *reinterpret_cast<const float4*>(task.coefficients + (j0 + j) * task.stride + b0 + at % 8 * 4)
                     : make_float4(0, 0, 0, 0);
    }
#pragma unroll
    for (uint32_t s = 0; s < kStripes; ++s) {
      const uint32_t j = thread / 4;
      next_errors[s] = j0 + j < n && slots[s] < task.slots
                           ? __ldcg(reinterpret_cast<const float4*>(
                                 task.errors + (uint64_t{slots[s]} * n + j0 + j) * kChunk + thread % 4 * 4))
                           : make_float4(0, 0, 0, 0);
    }
  };
  const uint64_t last = (n - 1) / kColumnBlock, end = done / kColumnBlock;
  fetch(last);
  for (uint64_t tile = last + 1; tile-- > end;) {
    team_barrier(team);  // the tile before is used up
#pragma unroll
    for (uint32_t i = 0; i < 2; ++i)
      reinterpret_cast<float4*>(tiles.coefficients)[thread + kTeam * i] = next_coefficients[i];
#pragma unroll
    for (uint32_t s = 0; s < kStripes; ++s) reinterpret_cast<float4*>(tiles.errors[s])[thread] = next_errors[s];
    team_barrier(team);
    if (tile > end) fetch(tile - 1);
    const uint64_t there = n - tile * kColumnBlock;
    const uint32_t count = there < kColumnBlock ? static_cast<uint32_t>(there) : kColumnBlock,
                   least = tile == end ? static_cast<uint32_t>(done % kColumnBlock) : 0;
#pragma unroll 4
    for (uint32_t j = count; j-- > least;) {
      const float4 c = *reinterpret_cast<const float4*>(&tiles.coefficients[j][place]);
#pragma unroll
      for (uint32_t s = 0; s < kStripes; ++s) {
        const float e = tiles.errors[s][j][row];
        targets[0][s] += c.x * e, targets[1][s] += c.y * e, targets[2][s] += c.z * e, targets[3][s] += c.w * e;
      }
    }
  }
}

// A weight as g_a takes it; 0 in padding, and in rows and columns of zeros.
__device__ inline float normalised(float v, float scale, float factor) {
  return scale > 0 && factor > 0 ? __fdiv_rn(__fdiv_rn(v, scale), factor) : 0.0f;
}

// What becomes of one weight.
struct Outcome {
  float error;  // weight less what is decoded
  double squared, normalised, power, weighted;
};
// `decoded`: what the network gave for this normalised weight, or not finite. A weight that comes out wrong by more
// than the threshold becomes a patch.
__device__ inline Outcome settle(const QuantiserTask& task, uint32_t slot, uint32_t column, uint32_t row_of_chunk,
                                 bool inside, float original, float target, float chunk, float decoded, float scale,
                                 float factor, float threshold, double pivot) {
  bool patched = false;
  if (inside && !(fabsf(decoded - chunk) <= threshold)) {
    decoded = __half2float(__float2half_rn(fminf(fmaxf(chunk, -65504.0f), 65504.0f)));
    patched = true;
  } else if (!(fabsf(decoded) <= 3.402823466e38f)) {
    decoded = 0;
    patched = true;
  }
  if (patched) {
    const uint32_t at = atomicAdd(task.patch_count, 1u);
    if (at < task.patch_capacity) task.patches[at] = {slot, column, row_of_chunk, decoded};
  }
  if (!inside) return {original, 0, 0, 0, 0};
  const float weight = decoded * scale * factor;
  const double o = original, wrong = o - weight, missed = static_cast<double>(target) - weight,
               unit = static_cast<double>(scale) * factor;
  return {static_cast<float>(wrong), wrong * wrong, unit > 0 ? wrong * wrong / (unit * unit) : 0.0, o * o,
          pivot * missed * missed};
}

}  // namespace nwc::cuda
