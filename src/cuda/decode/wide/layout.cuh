// Constants of the wgmma kernel, and what stands in its shared memory.
#pragma once

#include <cstdint>

#include "cuda/decode/device_types.h"

namespace nwc::cuda::wide {

constexpr uint32_t kStages = 8;   // of weights
constexpr uint32_t kCluster = 2;  // multiprocessors that share them
constexpr uint32_t kThreads = 3 * 128;
constexpr uint32_t kW = kWideWidth, kPasses = kW / kWidePass;
constexpr uint32_t kPassSteps = kWidePass / 16;  // 16 outputs or inputs are a step
constexpr uint32_t kStepBytes = 128 * 16;        // a warpgroup's sums of a step
// Passes whose sums stay in registers, and passes whose sums wait in shared memory.
constexpr uint32_t kKeptPasses = 2, kSpilledPasses = kPasses - kKeptPasses;
constexpr uint32_t kSpilledBytes = kSpilledPasses * kPassSteps * kStepBytes;  // of a warpgroup

// 64 chunks for a consumer warpgroup.
struct Job {
  const float* latents;   // of its first chunk
  uint32_t stride, left;  // floats from one channel to the next; chunks that have latents
  uint32_t level;
};
constexpr uint32_t kSharedBytes = 1024 + kStages * kWideStageBytes + 2 * kSpilledBytes + 16 * kStages + 4 * sizeof(Job);
static_assert(kSharedBytes <= 232448);

constexpr uint32_t kLead = 3;  // stages that the first warpgroup is ahead of the second when that begins a layer
constexpr uint32_t kGroupChunks = 64;  // of a warpgroup
constexpr uint32_t kPassStages = kW / kWideStageInputs, kStageSteps = kWideStageInputs / 16, kSteps = kW / 16,
                   kKeptSteps = kKeptPasses * kPassSteps;
constexpr uint32_t kOutputStride = kWideChunk + 1;  // words from a chunk's outputs to the next one's: no bank conflicts
// Where outputs are handed to the epilogue warp: in the place of the last spilled sums.
constexpr uint32_t kOutputOffset = kSpilledBytes - kPassSteps * kStepBytes;
constexpr uint32_t kProducerWarp = 8, kFirstEpilogueWarp = 9;  // warps of the third warpgroup
// Named barriers; all but the first for each consumer warpgroup.
constexpr uint32_t kOrderBarrier = 1, kOutputBarrier = 2, kJobBarrier = 4, kSumsReadBarrier = 6;
static_assert(kPassStages == 4 && kStageSteps == kKeptSteps &&
              kWideFirstStage * kStageSteps == kSpilledPasses * kPassSteps);

}  // namespace nwc::cuda::wide
