// The pipeline of weights through stages of shared memory: a consumer's end, and the producer.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/decode/wide/layout.cuh"
#include "cuda/support/hopper.cuh"

#ifdef NWC_HAS_WGMMA

namespace nwc::cuda::wide {

// A consumer warpgroup's end.
struct ConsumerPipeline {
  uint32_t operands;     // descriptor_base() of the first stage
  uint32_t full, empty;  // shared addresses; barriers are 8 bytes apart
  uint32_t warpgroup;
  uint32_t index = 0, parity = 0;
  uint32_t ready = 0;  // the current stage is known to be full

  // Waits for the current stage, and tests the next one: behind the wgmmas the test would wait in their queue.
  __device__ uint32_t wait() {
    if (ready == 0) mbarrier_wait(full + 8 * index, parity);
    const bool last = index + 1 == kStages;
    ready = mbarrier_test(full + 8 * (last ? 0 : index + 1), last ? parity ^ 1 : parity);
    return operands + index * (kWideStageBytes / 16);
  }
  __device__ void advance() {
    if (++index == kStages) index = 0, parity ^= 1;
  }
  // Frees the stage `back` stages before the current one.
  __device__ void release(uint32_t back, uint32_t lane) const {
    const uint32_t stage = index >= back ? index - back : index + kStages - back;
    if (lane < kCluster) mbarrier_arrive_cluster(empty + 8 * stage, lane);
  }
};

// One thread of each multiprocessor: its share of every stage, to all of the cluster.
__device__ inline void run_producer(const WideNetwork& network, uint32_t item_count, uint32_t base, uint32_t full,
                                    uint32_t empty) {
  constexpr uint32_t kShare = kWideStageBytes / kCluster;
  const uint32_t rank = blockIdx.x % kCluster;
  uint32_t index = 0, parity = 1;  // stages are empty at first
  const uint32_t operands = wide_operands(network.depth);
  for (uint32_t i = blockIdx.x - rank; i < item_count; i += gridDim.x) {
    for (uint32_t s = 0; s < operands; ++s) {
      mbarrier_wait(empty + 8 * index, parity);
      mbarrier_expect_bytes(full + 8 * index, kWideStageBytes);
      copy_bulk_multicast(base + index * kWideStageBytes + rank * kShare,
                          network.stages + size_t{s} * kWideStageBytes + rank * kShare, kShare, full + 8 * index,
                          static_cast<uint16_t>((1 << kCluster) - 1));
      if (++index == kStages) index = 0, parity ^= 1;
    }
  }
}

}  // namespace nwc::cuda::wide

#endif  // NWC_HAS_WGMMA
