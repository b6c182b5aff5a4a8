// The layers of the network for one consumer warpgroup of 64 chunks.
#pragma once

#include <cuda_fp16.h>

#include <cstdint>

#include "cuda/decode/tile_access.cuh"
#include "cuda/decode/wide/pipeline.cuh"
#include "cuda/support/hopper.cuh"
#include "cuda/support/ptx.cuh"

#ifdef NWC_HAS_WGMMA

namespace nwc::cuda::wide {

// A thread has rows lane / 4 and + 8 of its warp's 16 chunks, activations in the layout of operand A: h[kW / 4].

// How activations become the next layer's: h = (h + max(0, u r gain + offset)) embedding.
struct Update {
  const WideVectors* vectors;
  uint32_t spilled;              // shared address of the thread's sums u that wait there
  uint32_t kept[kKeptSteps][4];  // the others
  __half2 r[2];
};
// The memory operands of an update of two steps. They are loaded before the wgmmas that the update is to overlap with:
// behind them the loads would wait in their queue.
struct Prefetched {
  uint4 u[2], affine[2];
  uint2 embedding[2];
};

// Steps are multiplied in this order, two at a time: those first whose sums are kept.
constexpr uint32_t kPairs = kSteps / 2;
__device__ constexpr uint32_t step_at(uint32_t pair) { return 2 * ((pair + kPairs - kKeptSteps / 2) % kPairs); }

__device__ inline void prefetch(Prefetched& prefetched, uint32_t step, const Update& update, uint32_t lane) {
#pragma unroll
  for (uint32_t k = 0; k < 2; ++k) {
    if (step < kSteps - kKeptSteps) prefetched.u[k] = load_shared_v4(update.spilled + (step + k) * kStepBytes);
    prefetched.affine[k] = load_global_v4(update.vectors->affine[step + k][lane % 4]);
    prefetched.embedding[k] = load_global_v2(update.vectors->embedding[step + k][lane % 4]);
  }
}
__device__ inline void apply_update(const Prefetched& prefetched, uint32_t (&h)[kW / 4], uint32_t step,
                                    const Update& update) {
#pragma unroll
  for (uint32_t k = 0; k < 2; ++k) {
    uint32_t u[4] = {prefetched.u[k].x, prefetched.u[k].y, prefetched.u[k].z, prefetched.u[k].w};
#pragma unroll
    for (uint32_t i = 0; i < 4; ++i) {
      if (step >= kSteps - kKeptSteps) u[i] = update.kept[step + k - (kSteps - kKeptSteps)][i];
      const uint4 affine = prefetched.affine[k];
      const __half2 gain = as_half2(i < 2 ? affine.x : affine.y), offset = as_half2(i < 2 ? affine.z : affine.w);
      const __half2 x = __hfma2_relu(__hmul2(as_half2(u[i]), update.r[i % 2]), gain, offset);
      uint32_t& at = h[4 * (step + k) + i];
      at = bits_of(
          __hmul2(__hadd2(as_half2(at), x), as_half2(i < 2 ? prefetched.embedding[k].x : prefetched.embedding[k].y)));
    }
  }
}

using Bias = uint4[2];  // of a pass
__device__ inline void prefetch(Bias& bias, const WideVectors* vectors, uint32_t pass, uint32_t lane) {
#pragma unroll
  for (uint32_t t = 0; t < 2; ++t) bias[t] = load_global_v4(vectors->bias[2 * pass + t][lane % 4]);
}
// Accumulators to u = sums + bias as binary16, four words a step, for half of a pass; squares are added up by row, in
// two sums each. `store` takes the words.
template <class Store>
__device__ inline void drain(const float (&d)[32], uint32_t half, const Bias& bias, float (&squares)[4],
                             const Store& store) {
  const uint32_t words[4] = {bias[half].x, bias[half].y, bias[half].z, bias[half].w};
#pragma unroll
  for (uint32_t step = 0; step < 2; ++step) {
    uint32_t u[4];
#pragma unroll
    for (uint32_t i = 0; i < 2; ++i) {
      const uint32_t j = 4 * (4 * half + 2 * step + i);
      const float2 b = __half22float2(as_half2(words[2 * step + i]));
      const float v[4] = {d[j] + b.x, d[j + 1] + b.y, d[j + 2] + b.x, d[j + 3] + b.y};
#pragma unroll
      for (uint32_t k = 0; k < 4; ++k) squares[k] = fmaf(v[k], v[k], squares[k]);
      u[2 * i] = bits_of(__floats2half2_rn(v[0], v[1]));
      u[2 * i + 1] = bits_of(__floats2half2_rn(v[2], v[3]));
    }
    store(2 * half + step, u);
  }
  // Keeps the sums of squares here: their operands would occupy registers until later.
#pragma unroll
  for (uint32_t k = 0; k < 4; ++k) asm volatile("" : "+f"(squares[k]));
}

__device__ inline void issue_pair(float (&d)[32], const uint32_t (&h)[kW / 4], uint32_t weights, uint32_t pair) {
#pragma unroll
  for (uint32_t k = 0; k < 2; ++k) {
    const uint32_t inner = 2 * pair % kStageSteps + k;
    const uint64_t b = descriptor(weights, inner / 4 * (kWidePass * 128) + inner % 4 * 32);
    if (pair + k == 0) {
      wgmma_n64<false>(d, h + 4 * step_at(pair), b);
    } else {
      wgmma_n64<true>(d, h + 4 * (step_at(pair) + k), b);
    }
  }
}

// A layer's first pass: d = h W^T of 64 outputs, left in flight. With kUpdate, activations are updated pair by pair on
// the way; `prefetched` is for the first pair. Loads the biases of the layer `vectors`, too.
template <bool kUpdate>
__device__ inline void first_pass(float (&d)[32], uint32_t (&h)[kW / 4], const Update& update,
                                  const WideVectors* vectors, Prefetched& prefetched, Bias& bias,
                                  ConsumerPipeline& pipeline, uint32_t lane) {
#pragma unroll
  for (uint32_t q = 0; q < kPassStages; ++q) {
    if (q == 0 && pipeline.warpgroup == 1) named_barrier_sync(kOrderBarrier, 256);
    uint32_t weights = 0;
#pragma unroll
    for (uint32_t i = 0; i < kStageSteps / 2; ++i) {
      const uint32_t pair = q * (kStageSteps / 2) + i;
      if (kUpdate) {
        apply_update(prefetched, h, step_at(pair), update);
        if (pair + 1 < kPairs) prefetch(prefetched, step_at(pair + 1), update, lane);
      }
      if (i == 0) weights = pipeline.wait();
      if (pair == kPairs - 1) prefetch(bias, vectors, 0, lane);
      if (kUpdate || i == 0) wgmma_fence();
      issue_pair(d, h, weights, pair);
    }
    wgmma_commit();
    if (q + 1 == kLead && pipeline.warpgroup == 0) named_barrier_arrive(kOrderBarrier, 256);
    if (q > 0) {
      wgmma_wait<1>();
      pipeline.release(1, lane);
    }
    pipeline.advance();
  }
}
// Another pass, left in flight, while the accumulators of the one before are drained with their biases; then `bias` is
// this one's.
template <class Store>
__device__ inline void next_pass(float (&d)[32], float (&before)[32], const uint32_t (&h)[kW / 4],
                                 const WideVectors* vectors, uint32_t pass, Bias& bias, float (&squares)[4],
                                 ConsumerPipeline& pipeline, uint32_t lane, const Store& store) {
#pragma unroll
  for (uint32_t q = 0; q < kPassStages; ++q) {
    const uint32_t weights = pipeline.wait();
    if (q + 1 == kPassStages) prefetch(bias, vectors, pass, lane);
    wgmma_fence();
#pragma unroll
    for (uint32_t i = 0; i < kStageSteps / 2; ++i) issue_pair(d, h, weights, q * (kStageSteps / 2) + i);
    wgmma_commit();
    if (q == 0) {
      wgmma_wait_for<1>(before);
    } else {
      wgmma_wait<1>();
    }
    pipeline.release(1, lane);
    pipeline.advance();
    if (q < 2) drain(before, q, bias, squares, store);
  }
}

// A layer's passes from the second on; the first is in flight, into `even`. Afterwards `update` and `prefetched` are
// ready for the next layer's first pass. `before_last` is called before sums are spilled over the last outputs.
template <class BeforeLast>
__device__ inline void finish_layer(float (&even)[32], uint32_t (&h)[kW / 4], Update& update, Prefetched& prefetched,
                                    Bias& bias, ConsumerPipeline& pipeline, uint32_t lane,
                                    const BeforeLast& before_last) {
  float squares[4] = {}, odd[32];
  uint32_t to = update.spilled;
  const auto spill = [&](uint32_t step, const uint32_t(&u)[4]) {
    store_shared_v4(to + step * kStepBytes, u[0], u[1], u[2], u[3]);
  };
#pragma unroll
  for (uint32_t pass = 1; pass < kPasses - 1; pass += 2) {
    next_pass(odd, even, h, update.vectors, pass, bias, squares, pipeline, lane, spill);
    to += kPassSteps * kStepBytes;
    if (pass + kKeptPasses + 1 == kPasses) before_last();
    next_pass(even, odd, h, update.vectors, pass + 1, bias, squares, pipeline, lane, spill);
    to += kPassSteps * kStepBytes;
  }
  const auto keep = [&](uint32_t first) {
    return [&update, first](uint32_t step, const uint32_t(&u)[4]) {
#pragma unroll
      for (uint32_t i = 0; i < 4; ++i) update.kept[first + step][i] = u[i];
    };
  };
  next_pass(odd, even, h, update.vectors, kPasses - 1, bias, squares, pipeline, lane, keep(0));
  prefetch(prefetched, step_at(0), update, lane);
  wgmma_wait_for<0>(odd);
  pipeline.release(1, lane);
#pragma unroll
  for (uint32_t half = 0; half < 2; ++half) drain(odd, half, bias, squares, keep(kPassSteps));
#pragma unroll
  for (uint32_t i = 0; i < 2; ++i) {
    float sum = squares[2 * i] + squares[2 * i + 1];
    sum += __shfl_xor_sync(kAllLanes, sum, 1);
    sum += __shfl_xor_sync(kAllLanes, sum, 2);
    float scale;
    asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(scale) : "f"(fmaf(sum, 1.0f / kW, 1e-5f)));
    // Below 2^-13 binary16 loses digits: NaN leads to binary32.
    update.r[i] = __float2half2_rn(scale < 0x1p-13f ? __int_as_float(0x7FC00000) : scale);
  }
}

// The output layer: y = h W^T of 16 outputs, with activations updated on the way.
__device__ inline void output_layer(float (&y)[8], uint32_t (&h)[kW / 4], const Update& update, Prefetched& prefetched,
                                    ConsumerPipeline& pipeline, uint32_t lane) {
  const uint32_t weights = pipeline.wait();
#pragma unroll
  for (uint32_t pair = 0; pair < kPairs; ++pair) {
    const uint32_t step = step_at(pair);
    apply_update(prefetched, h, step, update);
    if (pair + 1 < kPairs) prefetch(prefetched, step_at(pair + 1), update, lane);
    wgmma_fence();
#pragma unroll
    for (uint32_t k = 0; k < 2; ++k) {
      const uint64_t b = descriptor(weights, (step + k) / 4 * (kWideChunk * 128) + (step + k) % 4 * 32);
      if (pair + k == 0) {
        wgmma_n16<false>(y, h + 4 * step, b);
      } else {
        wgmma_n16<true>(y, h + 4 * (step + k), b);
      }
    }
    wgmma_commit();
  }
  wgmma_wait_for<0>(y);
  pipeline.release(0, lane);
  pipeline.advance();
}

// The input layer: h = z W^T + bias.
__device__ inline void input_layer(uint32_t (&h)[kW / 4], const float (&z)[8], const WideVectors* vectors,
                                   ConsumerPipeline& pipeline, uint32_t lane) {
  uint32_t a[4];
#pragma unroll
  for (uint32_t j = 0; j < 4; ++j) a[j] = bits_of(__floats2half2_rn(z[2 * j], z[2 * j + 1]));
  float d[2][32], squares[4] = {};
  Bias biases[kPasses];
#pragma unroll
  for (uint32_t pass = 0; pass < kPasses; ++pass) prefetch(biases[pass], vectors, pass, lane);
  const uint32_t weights = pipeline.wait();
#pragma unroll
  for (uint32_t pass = 0; pass <= kPasses; ++pass) {
    if (pass < kPasses) {
      wgmma_fence();
      wgmma_n64<false>(d[pass % 2], a, descriptor(weights, pass / 4 * (kWidePass * 128) + pass % 4 * 32));
      wgmma_commit();
    }
    if (pass == 0) continue;
    if (pass < kPasses) {
      wgmma_wait_for<1>(d[(pass - 1) % 2]);
    } else {
      wgmma_wait_for<0>(d[(pass - 1) % 2]);
    }
#pragma unroll
    for (uint32_t half = 0; half < 2; ++half) {
      drain(d[(pass - 1) % 2], half, biases[pass - 1], squares, [&](uint32_t step, const uint32_t(&u)[4]) {
#pragma unroll
        for (uint32_t k = 0; k < 4; ++k) h[4 * (kPassSteps * (pass - 1) + step) + k] = u[k];
      });
    }
  }
  pipeline.release(0, lane);
  pipeline.advance();
}

}  // namespace nwc::cuda::wide

#endif  // NWC_HAS_WGMMA
