// The wide network on Hopper: 128 chunks go through all layers without leaving the multiprocessor.
//
// Two consumer warpgroups have 64 chunks each. Activations stay in registers as wgmma's operand A; accumulators have
// the same layout, so that no thread needs another one's. A layer's 512 outputs are computed in eight passes of 64.
// Their sums are kept in binary16 until the squares of all 512 are known: those of six passes in shared memory, private
// to their thread, those of the last two in registers. Two sets of accumulators alternate, so that one is drained while
// the next pass is in flight; the activations of 32 inputs are updated just before the next layer's first wgmmas read
// them, while the wgmmas of the 32 before are in flight.
//
// A third warpgroup has a producer and two epilogue warps. The producer, one thread, streams weights (2.1 MB, from the
// L2 cache) through a pipeline of stages in shared memory; the two multiprocessors of a cluster load half of each stage
// and multicast it to both. An epilogue warp serves one consumer warpgroup: it publishes the next job and stores the
// last one's weights.
//
// A warp's loads queue up behind the wgmmas that it has issued before them, which take hundreds of cycles: hence the
// prefetching.
#include <cuda_runtime.h>

#include "cuda/decode/kernels.h"
#include "cuda/decode/wide/epilogue.cuh"
#include "cuda/decode/wide/layer.cuh"
#include "cuda/decode/wide/pipeline.cuh"
#include "cuda/support/ptx.cuh"

namespace nwc::cuda {

using namespace wide;

namespace {

#ifdef NWC_HAS_WGMMA

// Latents of a job as operand A.
__device__ inline void load_latents(float (&z)[8], const Job& job, uint32_t warp, uint32_t lane) {
#pragma unroll
  for (uint32_t i = 0; i < 8; ++i) {
    const uint32_t chunk = 16 * warp + lane / 4 + 8 * (i / 2 % 2), channel = 2 * (lane % 4) + i % 2 + 8 * (i / 4);
    z[i] = 0;
    if (chunk < job.left) z[i] = __ldg(job.latents + channel * job.stride + chunk);
  }
}

__device__ void run_consumer(const WideNetwork& network, uint32_t item_count, uint32_t spilled, const Job* jobs,
                             ConsumerPipeline pipeline, uint32_t thread) {
  const uint32_t lane = thread % 32, warp = thread / 32 % 4, warpgroup = pipeline.warpgroup;
  float z[8];
  const WideVectors* vectors;
  {
    const Job job = jobs[0];
    load_latents(z, job, warp, lane);
    vectors = network.vectors + size_t{job.level} * (1 + network.depth);
  }
  uint32_t slot = 0;
  for (uint32_t i = blockIdx.x; i - blockIdx.x % kCluster < item_count; i += gridDim.x) {
    uint32_t h[kW / 4];
    input_layer(h, z, vectors, pipeline, lane);
    Update update{vectors + 1, spilled + 16 * (thread % 128), {}, {}};
    Prefetched prefetched;
    Bias bias;
    float d[32];
    first_pass<false>(d, h, update, update.vectors, prefetched, bias, pipeline, lane);
#pragma unroll 1
    for (uint32_t b = 1;; ++b) {
      finish_layer(d, h, update, prefetched, bias, pipeline, lane, [&] {
        // The next job is published, and the last one's outputs are read.
        if (b == 1) named_barrier_sync(kJobBarrier + warpgroup, 128 + 32);
      });
      if (b == network.depth) break;
      first_pass<true>(d, h, update, update.vectors + 1, prefetched, bias, pipeline, lane);
      ++update.vectors;
    }
    slot ^= 1;
    {
      const Job job = jobs[slot];
      load_latents(z, job, warp, lane);
      vectors = network.vectors + size_t{job.level} * (1 + network.depth);
    }
    float y[8];
    output_layer(y, h, update, prefetched, pipeline, lane);
    named_barrier_sync(kSumsReadBarrier + warpgroup, 128);  // outputs take the place of other threads' sums
#pragma unroll
    for (uint32_t j = 0; j < 8; ++j) {
      const uint32_t chunk = 16 * warp + lane / 4 + 8 * (j / 2 % 2), row = 8 * (j / 4) + 2 * (lane % 4) + j % 2;
      asm volatile("st.shared.f32 [%0], %1;" ::"r"(spilled + kOutputOffset + 4 * (chunk * kOutputStride + row)),
                   "f"(y[j])
                   : "memory");
    }
    named_barrier_arrive(kOutputBarrier + warpgroup, 128 + 32);
  }
}

#endif  // NWC_HAS_WGMMA

__global__ void __launch_bounds__(kThreads, 1)
    wide_synthesis_kernel(const WideNetwork* network_at, const Tile* tiles, const WideItem* items, uint32_t item_count,
                          const Group* groups, const float* latents, uint32_t* repairs, const uint32_t* statuses) {
#ifdef NWC_HAS_WGMMA
  extern __shared__ uint8_t memory[];
  uint8_t* const start = memory + (1024 - shared_address(memory) % 1024) % 1024;
  uint8_t* const spilled = start + kStages * kWideStageBytes;
  Job* const jobs = reinterpret_cast<Job*>(spilled + 2 * kSpilledBytes);
  const uint32_t full = shared_address(jobs + 4), empty = full + 8 * kStages;
  const WideNetwork network = *network_at;
  uint32_t thread;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(thread));  // volatile: read once, not wherever a register would be saved
  const uint32_t warp = __shfl_sync(kAllLanes, thread / 32, 0), lane = __shfl_sync(kAllLanes, thread % 32, thread % 32);
  thread = 32 * warp + lane;
  const Epilogue epilogue{tiles, items, item_count, groups, latents, warp - kFirstEpilogueWarp};
  const bool is_epilogue = warp >= kFirstEpilogueWarp && warp < kFirstEpilogueWarp + 2;
  if (threadIdx.x == 0) {
    for (uint32_t s = 0; s < kStages; ++s) {
      mbarrier_init(full + 8 * s, 1);
      mbarrier_init(empty + 8 * s, 8 * kCluster);  // a lane of every consumer warp
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  if (is_epilogue) epilogue.publish_job(jobs + 2 * epilogue.warpgroup, blockIdx.x, lane);
  __syncwarp();
  cluster_sync();
  if (warp >= kProducerWarp) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
    if (threadIdx.x == 32 * kProducerWarp) {
      run_producer(network, item_count, shared_address(start), full, empty);
    } else if (is_epilogue) {
      const float* const y =
          reinterpret_cast<const float*>(spilled + epilogue.warpgroup * kSpilledBytes + kOutputOffset);
      run_epilogue(epilogue, network, y, jobs + 2 * epilogue.warpgroup, repairs, statuses, lane);
    }
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 240;");
    const uint32_t warpgroup = warp / 4;
    run_consumer(network, item_count, shared_address(spilled) + warpgroup * kSpilledBytes, jobs + 2 * warpgroup,
                 ConsumerPipeline{descriptor_base(shared_address(start)), full, empty, warpgroup}, thread);
  }
  __syncwarp();
  cluster_sync();  // shared memory stays until the other block's copies have arrived
#endif
}

}  // namespace

int wide_synthesis(const WideNetwork* network, const Tile* tiles, const WideItem* items, uint32_t item_count,
                   const Group* groups, const float* latents, uint32_t* repairs, const uint32_t* statuses,
                   int multiprocessors, CUstream_st* stream) {
  if (item_count == 0) return cudaSuccess;
  if (const cudaError_t error =
          cudaFuncSetAttribute(wide_synthesis_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kSharedBytes))
    return error;
  const uint32_t room = multiprocessors < static_cast<int>(kCluster)
                            ? 1
                            : static_cast<uint32_t>(multiprocessors) / kCluster,
                 wanted = (item_count + kCluster - 1) / kCluster;
  cudaLaunchAttribute cluster = {};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim.x = kCluster;
  cluster.val.clusterDim.y = cluster.val.clusterDim.z = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(kCluster * (wanted < room ? wanted : room));
  config.blockDim = dim3(kThreads);
  config.dynamicSmemBytes = kSharedBytes;
  config.stream = stream;
  config.attrs = &cluster;
  config.numAttrs = 1;
  return cudaLaunchKernelEx(&config, wide_synthesis_kernel, network, tiles, items, item_count, groups, latents, repairs,
                            statuses);
}

}  // namespace nwc::cuda
