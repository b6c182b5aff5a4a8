// The network of the `paper` profile on Hopper: 128 chunks go through all layers without leaving the multiprocessor.
//
// Two warpgroups have 64 chunks each, whose activations stay in registers, where wgmma takes them as operand A; its
// results lie in the same layout, so that no thread needs another one's. A layer's 512 outputs are computed in eight
// passes of 64. Their sums wait in binary16 until the squares of all 512 are known: six passes' in shared memory,
// private to their thread, the last two's in registers. Two sets of accumulators take turns, so that one pass's sums
// are taken while the next pass runs; the activations of 32 inputs are brought up to date just before the next layer's
// first products ask for them, while those of the 32 before run.
//
// Weights (2.1 MB, from the L2 cache) are streamed through stages of shared memory by a thread of a third warpgroup.
// Two multiprocessors share what they read: each asks for half of a stage and has it sent to both. Two more warps of
// that warpgroup are clerks: they find the next chunks and put the last ones' weights where they belong while the
// products run.
//
// Loads from memory queue up behind the products that their warp has issued before them, which take hundreds of cycles:
// hence all that asks ahead.
#include <cuda_runtime.h>

#include "cuda/decode/kernels.h"
#include "cuda/decode/tile_access.cuh"

namespace nwc::cuda {
namespace {

constexpr uint32_t kStages = 8;   // of weights
constexpr uint32_t kCluster = 2;  // multiprocessors that share them
constexpr uint32_t kThreads = 3 * 128;
constexpr uint32_t kW = kWideWidth, kPasses = kW / kWidePass;
constexpr uint32_t kPassSteps = kWidePass / 16;  // 16 outputs or inputs are a step
constexpr uint32_t kStepBytes = 128 * 16;        // a warpgroup's sums of a step
constexpr uint32_t kKeptPasses = 2,
                   kWaitingPasses =
                       kPasses - kKeptPasses;  // whose sums stay in registers, and whose wait in shared memory
constexpr uint32_t kWaitingBytes = kWaitingPasses * kPassSteps * kStepBytes;  // of a warpgroup

// What a warpgroup has to do next.
struct Job {
  const float* latents;   // of its first chunk
  uint32_t stride, left;  // floats from one channel to the next; chunks that have latents
  uint32_t level;
};
constexpr uint32_t kSharedBytes = 1024 + kStages * kWideStageBytes + 2 * kWaitingBytes + 16 * kStages + 4 * sizeof(Job);
static_assert(kSharedBytes <= 232448);

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define NWC_HAS_WGMMA 1
#endif

#ifdef NWC_HAS_WGMMA

constexpr uint32_t kLead = 3;  // stages that the first warpgroup is ahead of the second when that begins a layer
constexpr uint32_t kGroupChunks = 64;  // of a warpgroup
constexpr uint32_t kPassStages = kW / kWideStageInputs, kStageSteps = kWideStageInputs / 16, kSteps = kW / 16,
                   kKeptSteps = kKeptPasses * kPassSteps;
constexpr uint32_t kOutStride = kWideChunk + 1;  // words from a chunk's outputs to the next one's: no bank conflicts
constexpr uint32_t kOutAt =
    kWaitingBytes - kPassSteps * kStepBytes;        // where outputs wait: the last sums that wait are there otherwise
constexpr uint32_t kProducer = 8, kFirstClerk = 9;  // warps of the third warpgroup
constexpr uint32_t kLeadBarrier = 1, kPutBarrier = 2, kToldBarrier = 4;  // the latter two for each warpgroup
static_assert(kPassStages == 4 && kStageSteps == kKeptSteps &&
              kWideFirstStage * kStageSteps == kWaitingPasses * kPassSteps);

__device__ inline uint32_t shared_address(const void* p) { return static_cast<uint32_t>(__cvta_generic_to_shared(p)); }

__device__ inline void barrier_init(uint32_t barrier, uint32_t arrivals) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
// At the same barrier of the cluster's multiprocessor `rank`.
__device__ inline void barrier_arrive(uint32_t barrier, uint32_t rank) {
  asm volatile(
      "{\n"
      ".reg .b32 there;\n"
      "mapa.shared::cluster.u32 there, %0, %1;\n"
      "mbarrier.arrive.shared::cluster.b64 _, [there];\n"
      "}" ::"r"(barrier),
      "r"(rank)
      : "memory");
}
__device__ inline void barrier_expect(uint32_t barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}
__device__ inline void barrier_wait(uint32_t barrier, uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared.b64 done, [%0], %1;\n"
      "@done bra finished;\n"
      "bra again;\n"
      "finished:\n"
      "}" ::"r"(barrier),
      "r"(parity)
      : "memory");
}
__device__ inline uint32_t barrier_test(uint32_t barrier, uint32_t parity) {
  uint32_t done;
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "mbarrier.test_wait.parity.shared.b64 done, [%1], %2;\n"
      "selp.u32 %0, 1, 0, done;\n"
      "}"
      : "=r"(done)
      : "r"(barrier), "r"(parity)
      : "memory");
  return done;
}
// To the same place, and with the same barrier, in all of the cluster.
__device__ inline void copy_bulk(uint32_t to, const void* from, uint32_t bytes, uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1], %2, [%3], "
      "%4;" ::"r"(to),
      "l"(from), "r"(bytes), "r"(barrier), "h"(static_cast<uint16_t>((1 << kCluster) - 1))
      : "memory");
}
// Barriers of a warpgroup and a warp; one side only arrives.
__device__ inline void join(uint32_t barrier, uint32_t threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}
__device__ inline void pass_by(uint32_t barrier, uint32_t threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}
__device__ inline void cluster_barrier() {
  asm volatile("barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;" ::: "memory");
}

// Rows of 128 bytes in groups of eight, 16-byte pieces swizzled (128-byte mode), as wgmma names them: the lower half is
// the address and may be added to, the upper half is the same for all.
__device__ inline uint32_t operand_at(uint32_t address) { return address >> 4 | 1u << 16; }
__device__ inline uint64_t operand(uint32_t at, uint32_t bytes) {
  return uint64_t{at + bytes / 16} | uint64_t{1024 >> 4} << 32 | uint64_t{1} << 62;
}
__device__ inline void products_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ inline void products_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int kOpen>
__device__ inline void products_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kOpen) : "memory");
}
// The sums may be read from here on, all products but the last kOpen groups being done.
template <int kOpen, uint32_t kCount>
__device__ inline void products_done(float (&d)[kCount]) {
  products_wait<kOpen>();
#pragma unroll
  for (uint32_t i = 0; i < kCount; ++i) asm volatile("" : "+f"(d[i])::"memory");
}

// d (+)= A B^T, A: 64 chunks in registers, B: 64 outputs, 16 inputs.
template <bool kAdd>
__device__ inline void product(float (&d)[32], const uint32_t* a, uint64_t b) {
  asm volatile(
      "{\n"
      ".reg .pred add;\n"
      "setp.ne.b32 add, %37, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
      "}, {%32, %33, %34, %35}, %36, add, 1, 1, 0;\n"
      "}"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]),
        "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]),
        "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]),
        "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "n"(kAdd ? 1 : 0));
}
// d (+)= A B^T with 16 outputs.
template <bool kAdd>
__device__ inline void product_out(float (&d)[8], const uint32_t* a, uint64_t b) {
  asm volatile(
      "{\n"
      ".reg .pred add;\n"
      "setp.ne.b32 add, %13, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n16k16.f32.f16.f16 {%0, %1, %2, %3, %4, %5, %6, %7}, {%8, %9, %10, %11}, %12, "
      "add, 1, 1, 0;\n"
      "}"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "n"(kAdd ? 1 : 0));
}

__device__ inline __half2 as_half2(uint32_t bits) { return *reinterpret_cast<const __half2*>(&bits); }
__device__ inline uint32_t bits_of(__half2 v) { return *reinterpret_cast<const uint32_t*>(&v); }

// Ordered with the products, so that they wait in memory and not in registers that the sums need.
__device__ inline uint4 load_shared(uint32_t at) {
  uint4 v;
  asm volatile("ld.shared.v4.b32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(at)
               : "memory");
  return v;
}
__device__ inline void store_shared(uint32_t at, uint32_t x, uint32_t y, uint32_t z, uint32_t w) {
  asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(at), "r"(x), "r"(y), "r"(z), "r"(w) : "memory");
}
__device__ inline uint4 load_vector(const void* at) {
  uint4 v;
  asm volatile("ld.global.nc.v4.b32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(at)
               : "memory");
  return v;
}
__device__ inline uint2 load_vector_half(const void* at) {
  uint2 v;
  asm volatile("ld.global.nc.v2.b32 {%0, %1}, [%2];" : "=r"(v.x), "=r"(v.y) : "l"(at) : "memory");
  return v;
}

// Stages of weights as a consumer sees them.
struct Stages {
  uint32_t operands;     // operand_at() the first
  uint32_t full, empty;  // shared addresses; barriers are 8 bytes apart
  uint32_t warpgroup;
  uint32_t index = 0, parity = 0;
  uint32_t ready = 0;  // the current stage is known to be full

  // The current stage, and a look at the next one: behind the products its answer would wait in their queue.
  __device__ uint32_t wait() {
    if (ready == 0) barrier_wait(full + 8 * index, parity);
    const bool last = index + 1 == kStages;
    ready = barrier_test(full + 8 * (last ? 0 : index + 1), last ? parity ^ 1 : parity);
    return operands + index * (kWideStageBytes / 16);
  }
  __device__ void advance() {
    if (++index == kStages) index = 0, parity ^= 1;
  }
  // The stage `back` stages before the current one is read.
  __device__ void release(uint32_t back, uint32_t lane) const {
    const uint32_t stage = index >= back ? index - back : index + kStages - back;
    if (lane < kCluster) barrier_arrive(empty + 8 * stage, lane);
  }
};

// A thread has rows lane / 4 and + 8 of its warp's 16 chunks, activations in the layout of operand A: h[kW / 4].

// How activations become the next layer's: h = (h + max(0, u r gain + offset)) embedding.
struct Update {
  const WideVectors* vectors;
  uint32_t waiting;              // shared address of the thread's sums u
  uint32_t kept[kKeptSteps][4];  // the others
  __half2 r[2];
};
// What the update of two steps wants from memory. It is asked for before the products that it shall run under: behind
// them it would wait in their queue.
struct Ahead {
  uint4 u[2], affine[2];
  uint2 embedding[2];
};

// Products take steps in this order, two at a time: those first whose sums are kept.
constexpr uint32_t kPairs = kSteps / 2;
__device__ constexpr uint32_t step_at(uint32_t pair) { return 2 * ((pair + kPairs - kKeptSteps / 2) % kPairs); }

__device__ inline void ask(Ahead& ahead, uint32_t step, const Update& update, uint32_t lane) {
#pragma unroll
  for (uint32_t k = 0; k < 2; ++k) {
    if (step < kSteps - kKeptSteps) ahead.u[k] = load_shared(update.waiting + (step + k) * kStepBytes);
    ahead.affine[k] = load_vector(update.vectors->affine[step + k][lane % 4]);
    ahead.embedding[k] = load_vector_half(update.vectors->embedding[step + k][lane % 4]);
  }
}
__device__ inline void use(const Ahead& ahead, uint32_t (&h)[kW / 4], uint32_t step, const Update& update) {
#pragma unroll
  for (uint32_t k = 0; k < 2; ++k) {
    uint32_t u[4] = {ahead.u[k].x, ahead.u[k].y, ahead.u[k].z, ahead.u[k].w};
#pragma unroll
    for (uint32_t i = 0; i < 4; ++i) {
      if (step >= kSteps - kKeptSteps) u[i] = update.kept[step + k - (kSteps - kKeptSteps)][i];
      const uint4 affine = ahead.affine[k];
      const __half2 gain = as_half2(i < 2 ? affine.x : affine.y), offset = as_half2(i < 2 ? affine.z : affine.w);
      const __half2 x = __hfma2_relu(__hmul2(as_half2(u[i]), update.r[i % 2]), gain, offset);
      uint32_t& at = h[4 * (step + k) + i];
      at = bits_of(__hmul2(__hadd2(as_half2(at), x), as_half2(i < 2 ? ahead.embedding[k].x : ahead.embedding[k].y)));
    }
  }
}

using Bias = uint4[2];  // of a pass
__device__ inline void ask(Bias& bias, const WideVectors* vectors, uint32_t pass, uint32_t lane) {
#pragma unroll
  for (uint32_t t = 0; t < 2; ++t) bias[t] = load_vector(vectors->bias[2 * pass + t][lane % 4]);
}
// u = sums + bias as binary16, four words a step, for half of a pass; squares are added up by row, in two sums each.
template <class Put>
__device__ inline void take(const float (&d)[32], uint32_t half, const Bias& bias, float (&squares)[4],
                            const Put& put) {
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
    put(2 * half + step, u);
  }
  // Squares are added up here: later, what they are of would be in the way.
#pragma unroll
  for (uint32_t k = 0; k < 4; ++k) asm volatile("" : "+f"(squares[k]));
}

__device__ inline void products_of(float (&d)[32], const uint32_t (&h)[kW / 4], uint32_t weights, uint32_t pair) {
#pragma unroll
  for (uint32_t k = 0; k < 2; ++k) {
    const uint32_t inner = 2 * pair % kStageSteps + k;
    const uint64_t b = operand(weights, inner / 4 * (kWidePass * 128) + inner % 4 * 32);
    if (pair + k == 0) {
      product<false>(d, h + 4 * step_at(pair), b);
    } else {
      product<true>(d, h + 4 * (step_at(pair) + k), b);
    }
  }
}

// A layer's first pass: d = h W^T of 64 outputs, left running, with activations brought up to date on the way, if
// kUpdate; `ahead` is for the first pair. Fetches the biases, too, of the layer `vectors`.
template <bool kUpdate>
__device__ inline void first_pass(float (&d)[32], uint32_t (&h)[kW / 4], const Update& update,
                                  const WideVectors* vectors, Ahead& ahead, Bias& bias, Stages& stages, uint32_t lane) {
#pragma unroll
  for (uint32_t q = 0; q < kPassStages; ++q) {
    if (q == 0 && stages.warpgroup == 1) join(kLeadBarrier, 256);
    uint32_t weights = 0;
#pragma unroll
    for (uint32_t i = 0; i < kStageSteps / 2; ++i) {
      const uint32_t pair = q * (kStageSteps / 2) + i;
      if (kUpdate) {
        use(ahead, h, step_at(pair), update);
        if (pair + 1 < kPairs) ask(ahead, step_at(pair + 1), update, lane);
      }
      if (i == 0) weights = stages.wait();
      if (pair == kPairs - 1) ask(bias, vectors, 0, lane);
      if (kUpdate || i == 0) products_begin();
      products_of(d, h, weights, pair);
    }
    products_commit();
    if (q + 1 == kLead && stages.warpgroup == 0) pass_by(kLeadBarrier, 256);
    if (q > 0) {
      products_wait<1>();
      stages.release(1, lane);
    }
    stages.advance();
  }
}
// Another pass, left running, while the sums of the one before are taken with their biases; then `bias` is this one's.
template <class Put>
__device__ inline void next_pass(float (&d)[32], float (&before)[32], const uint32_t (&h)[kW / 4],
                                 const WideVectors* vectors, uint32_t pass, Bias& bias, float (&squares)[4],
                                 Stages& stages, uint32_t lane, const Put& put) {
#pragma unroll
  for (uint32_t q = 0; q < kPassStages; ++q) {
    const uint32_t weights = stages.wait();
    if (q + 1 == kPassStages) ask(bias, vectors, pass, lane);
    products_begin();
#pragma unroll
    for (uint32_t i = 0; i < kStageSteps / 2; ++i) products_of(d, h, weights, q * (kStageSteps / 2) + i);
    products_commit();
    if (q == 0) {
      products_done<1>(before);
    } else {
      products_wait<1>();
    }
    stages.release(1, lane);
    stages.advance();
    if (q < 2) take(before, q, bias, squares, put);
  }
}

// A layer's passes from the second on; the first runs, into `even`. Afterwards `update` and `ahead` are ready for the
// next layer's first pass. `before_last` is called before sums are put where outputs wait.
template <class BeforeLast>
__device__ inline void finish_layer(float (&even)[32], uint32_t (&h)[kW / 4], Update& update, Ahead& ahead, Bias& bias,
                                    Stages& stages, uint32_t lane, const BeforeLast& before_last) {
  float squares[4] = {}, odd[32];
  uint32_t to = update.waiting;
  const auto wait = [&](uint32_t step, const uint32_t(&u)[4]) {
    store_shared(to + step * kStepBytes, u[0], u[1], u[2], u[3]);
  };
#pragma unroll
  for (uint32_t pass = 1; pass < kPasses - 1; pass += 2) {
    next_pass(odd, even, h, update.vectors, pass, bias, squares, stages, lane, wait);
    to += kPassSteps * kStepBytes;
    if (pass + kKeptPasses + 1 == kPasses) before_last();
    next_pass(even, odd, h, update.vectors, pass + 1, bias, squares, stages, lane, wait);
    to += kPassSteps * kStepBytes;
  }
  const auto keep = [&](uint32_t first) {
    return [&update, first](uint32_t step, const uint32_t(&u)[4]) {
#pragma unroll
      for (uint32_t i = 0; i < 4; ++i) update.kept[first + step][i] = u[i];
    };
  };
  next_pass(odd, even, h, update.vectors, kPasses - 1, bias, squares, stages, lane, keep(0));
  ask(ahead, step_at(0), update, lane);
  products_done<0>(odd);
  stages.release(1, lane);
#pragma unroll
  for (uint32_t half = 0; half < 2; ++half) take(odd, half, bias, squares, keep(kPassSteps));
#pragma unroll
  for (uint32_t i = 0; i < 2; ++i) {
    float sum = squares[2 * i] + squares[2 * i + 1];
    sum += __shfl_xor_sync(kAllLanes, sum, 1);
    sum += __shfl_xor_sync(kAllLanes, sum, 2);
    float scale;
    asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(scale) : "f"(fmaf(sum, 1.0f / kW, 1e-5f)));
    // Below 2^-13 binary16 loses digits: let binary32 do it. (NaN stays NaN.)
    update.r[i] = __float2half2_rn(scale < 0x1p-13f ? __int_as_float(0x7FC00000) : scale);
  }
}

// The 16 outputs: y = h W^T, with activations brought up to date on the way.
__device__ inline void output(float (&y)[8], uint32_t (&h)[kW / 4], const Update& update, Ahead& ahead, Stages& stages,
                              uint32_t lane) {
  const uint32_t weights = stages.wait();
#pragma unroll
  for (uint32_t pair = 0; pair < kPairs; ++pair) {
    const uint32_t step = step_at(pair);
    use(ahead, h, step, update);
    if (pair + 1 < kPairs) ask(ahead, step_at(pair + 1), update, lane);
    products_begin();
#pragma unroll
    for (uint32_t k = 0; k < 2; ++k) {
      const uint64_t b = operand(weights, (step + k) / 4 * (kWideChunk * 128) + (step + k) % 4 * 32);
      if (pair + k == 0) {
        product_out<false>(y, h + 4 * step, b);
      } else {
        product_out<true>(y, h + 4 * (step + k), b);
      }
    }
    products_commit();
  }
  products_done<0>(y);
  stages.release(0, lane);
  stages.advance();
}

// Latents of a job as operand A.
__device__ inline void load_latents(float (&z)[8], const Job& job, uint32_t warp, uint32_t lane) {
#pragma unroll
  for (uint32_t i = 0; i < 8; ++i) {
    const uint32_t chunk = 16 * warp + lane / 4 + 8 * (i / 2 % 2), channel = 2 * (lane % 4) + i % 2 + 8 * (i / 4);
    z[i] = 0;
    if (chunk < job.left) z[i] = __ldg(job.latents + channel * job.stride + chunk);
  }
}

// The input layer: h = z W^T + bias.
__device__ inline void input(uint32_t (&h)[kW / 4], const float (&z)[8], const WideVectors* vectors, Stages& stages,
                             uint32_t lane) {
  uint32_t a[4];
#pragma unroll
  for (uint32_t j = 0; j < 4; ++j) a[j] = bits_of(__floats2half2_rn(z[2 * j], z[2 * j + 1]));
  float d[2][32], squares[4] = {};
  Bias biases[kPasses];
#pragma unroll
  for (uint32_t pass = 0; pass < kPasses; ++pass) ask(biases[pass], vectors, pass, lane);
  const uint32_t weights = stages.wait();
#pragma unroll
  for (uint32_t pass = 0; pass <= kPasses; ++pass) {
    if (pass < kPasses) {
      products_begin();
      product<false>(d[pass % 2], a, operand(weights, pass / 4 * (kWidePass * 128) + pass % 4 * 32));
      products_commit();
    }
    if (pass == 0) continue;
    if (pass < kPasses) {
      products_done<1>(d[(pass - 1) % 2]);
    } else {
      products_done<0>(d[(pass - 1) % 2]);
    }
#pragma unroll
    for (uint32_t half = 0; half < 2; ++half) {
      take(d[(pass - 1) % 2], half, biases[pass - 1], squares, [&](uint32_t step, const uint32_t(&u)[4]) {
#pragma unroll
        for (uint32_t k = 0; k < 4; ++k) h[4 * (kPassSteps * (pass - 1) + step) + k] = u[k];
      });
    }
  }
  stages.release(0, lane);
  stages.advance();
}

__device__ void consume(const WideNetwork& network, uint32_t item_count, uint32_t waiting, const Job* jobs,
                        Stages stages, uint32_t thread) {
  const uint32_t lane = thread % 32, warp = thread / 32 % 4, warpgroup = stages.warpgroup;
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
    input(h, z, vectors, stages, lane);
    Update update{vectors + 1, waiting + 16 * (thread % 128), {}, {}};
    Ahead ahead;
    Bias bias;
    float d[32];
    first_pass<false>(d, h, update, update.vectors, ahead, bias, stages, lane);
#pragma unroll 1
    for (uint32_t b = 1;; ++b) {
      finish_layer(d, h, update, ahead, bias, stages, lane, [&] {
        if (b == 1)
          join(kToldBarrier + warpgroup, 128 + 32);  // the next job is known, and the last one's outputs are read
      });
      if (b == network.depth) break;
      first_pass<true>(d, h, update, update.vectors + 1, ahead, bias, stages, lane);
      ++update.vectors;
    }
    slot ^= 1;
    {
      const Job job = jobs[slot];
      load_latents(z, job, warp, lane);
      vectors = network.vectors + size_t{job.level} * (1 + network.depth);
    }
    float y[8];
    output(y, h, update, ahead, stages, lane);
#pragma unroll
    for (uint32_t j = 0; j < 8; ++j) {
      const uint32_t chunk = 16 * warp + lane / 4 + 8 * (j / 2 % 2), row = 8 * (j / 4) + 2 * (lane % 4) + j % 2;
      asm volatile("st.shared.f32 [%0], %1;" ::"r"(waiting + kOutAt + 4 * (chunk * kOutStride + row)), "f"(y[j])
                   : "memory");
    }
    pass_by(kPutBarrier + warpgroup, 128 + 32);
  }
}

// A warpgroup's clerk, a warp: finds its jobs and puts its outputs where they belong, all while it works.
struct Clerk {
  const Tile* tiles;
  const WideItem* items;
  uint32_t item_count;
  const Group* groups;
  const float* latents;
  uint32_t warpgroup;

  __device__ void tell(Job* to, uint32_t i, uint32_t lane) const {
    Job job{latents, 0, 0, 0};
    if (i < item_count) {
      const WideItem item = items[i];
      const Tile& tile = tiles[item.tile];
      const uint32_t first = item.first_chunk + warpgroup * kGroupChunks, padded = (tile.chunks + 31) / 32 * 32;
      job = {latents + tile.latents_at + first, padded, first < padded ? padded - first : 0, groups[tile.group].level};
      const uint32_t chunk = 32 * (lane % 2);
      if (chunk < job.left)
        asm volatile("prefetch.global.L2 [%0];" ::"l"(job.latents + lane / 2 * size_t{padded} + chunk));
    }
    if (lane == 0) *to = job;
  }
  // Does what store_weight() does, a chunk per lane, with everything that a chunk's weights have in common done once.
  __device__ void put(const WideNetwork& network, uint32_t i, const float* y, uint32_t* repairs,
                      const uint32_t* statuses, uint32_t lane) const {
    if (i >= item_count) return;
    const WideItem item = items[i];
    const Tile& tile = tiles[item.tile];
    const Group& group = groups[tile.group];
    if (statuses[item.tile] != kTileDecoded) return;
    const uint32_t dtype = group.dtype;
    const int64_t size = dtype == kF32 ? 4 : 2;
#pragma unroll 1
    for (uint32_t part = 0; part < kGroupChunks; part += 32, y += 32 * kOutStride) {
      const uint32_t chunk = item.first_chunk + warpgroup * kGroupChunks + part + lane;
      const bool active = chunk < tile.chunks;
      const Place place = place_of(group, tile, active ? chunk : 0, kWideChunk);
      const bool inside = active && place.column >= group.column_begin && place.column < group.column_end;
      const float scale = group.scales[place.column];
      const float* const factors = group.factors;
      const uint64_t end = group.row_end;
      const int64_t step = size * group.row_step;
      uint64_t row = place.row;
      char* to = static_cast<char*>(group.out) + static_cast<int64_t>(row - group.row_begin) * step +
                 static_cast<int64_t>(place.column - group.column_begin) * size * group.column_step;
      bool whole = true;
#pragma unroll 4
      for (uint32_t j = 0; j < kWideChunk; ++j, ++row, to += step) {
        const float v = y[lane * kOutStride + j] + network.out_bias[j];
        whole = whole && finite(v);
        if (!inside || row < group.row_begin || row >= end) continue;
        const float weight = saturate(__fmul_rn(__fmul_rn(v, scale), factors != nullptr ? __ldg(factors + row) : 1.0f));
        if (dtype == kF32) {
          *reinterpret_cast<float*>(to) = weight;
        } else if (dtype == kBF16) {
          *reinterpret_cast<__nv_bfloat16*>(to) =
              __float2bfloat16_rn(fminf(fmaxf(weight, -3.38953139e38f), 3.38953139e38f));
        } else {
          *reinterpret_cast<__half*>(to) = __float2half_rn(fminf(fmaxf(weight, -65504.0f), 65504.0f));
        }
      }
      const uint32_t broken = __ballot_sync(kAllLanes, active && !whole);
      if (broken != 0 && lane == 0) atomicOr(&repairs[tile.first_block + chunk / 32], broken);
    }
  }
};

__device__ void keep_books(const Clerk& clerk, const WideNetwork& network, const float* y, Job* jobs, uint32_t* repairs,
                           const uint32_t* statuses, uint32_t lane) {
  uint32_t slot = 0;
  for (uint32_t i = blockIdx.x; i - blockIdx.x % kCluster < clerk.item_count; i += gridDim.x) {
    slot ^= 1;
    clerk.tell(jobs + slot, i + gridDim.x, lane);
    pass_by(kToldBarrier + clerk.warpgroup, 128 + 32);
    join(kPutBarrier + clerk.warpgroup, 128 + 32);
    clerk.put(network, i, y, repairs, statuses, lane);
    __syncwarp();
  }
}

__device__ void produce(const WideNetwork& network, uint32_t item_count, uint32_t base, uint32_t full, uint32_t empty) {
  constexpr uint32_t kShare = kWideStageBytes / kCluster;
  const uint32_t rank = blockIdx.x % kCluster;
  uint32_t index = 0, parity = 1;  // stages are empty at first
  const uint32_t operands = wide_operands(network.depth);
  for (uint32_t i = blockIdx.x - rank; i < item_count; i += gridDim.x) {
    for (uint32_t s = 0; s < operands; ++s) {
      barrier_wait(empty + 8 * index, parity);
      barrier_expect(full + 8 * index, kWideStageBytes);
      copy_bulk(base + index * kWideStageBytes + rank * kShare,
                network.stages + size_t{s} * kWideStageBytes + rank * kShare, kShare, full + 8 * index);
      if (++index == kStages) index = 0, parity ^= 1;
    }
  }
}

#endif  // NWC_HAS_WGMMA

__global__ void __launch_bounds__(kThreads, 1)
    wide_synthesis_kernel(const WideNetwork* network_at, const Tile* tiles, const WideItem* items, uint32_t item_count,
                          const Group* groups, const float* latents, uint32_t* repairs, const uint32_t* statuses) {
#ifdef NWC_HAS_WGMMA
  extern __shared__ uint8_t memory[];
  uint8_t* const start = memory + (1024 - shared_address(memory) % 1024) % 1024;
  uint8_t* const waiting = start + kStages * kWideStageBytes;
  Job* const jobs = reinterpret_cast<Job*>(waiting + 2 * kWaitingBytes);
  const uint32_t full = shared_address(jobs + 4), empty = full + 8 * kStages;
  const WideNetwork network = *network_at;
  uint32_t thread;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(thread));  // volatile: read once, not wherever a register would be saved
  const uint32_t warp = __shfl_sync(kAllLanes, thread / 32, 0), lane = __shfl_sync(kAllLanes, thread % 32, thread % 32);
  thread = 32 * warp + lane;
  const Clerk clerk{tiles, items, item_count, groups, latents, warp - kFirstClerk};
  const bool is_clerk = warp >= kFirstClerk && warp < kFirstClerk + 2;
  if (threadIdx.x == 0) {
    for (uint32_t s = 0; s < kStages; ++s) {
      barrier_init(full + 8 * s, 1);
      barrier_init(empty + 8 * s, 8 * kCluster);  // a lane of every consuming warp
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  if (is_clerk) clerk.tell(jobs + 2 * clerk.warpgroup, blockIdx.x, lane);
  __syncwarp();
  cluster_barrier();
  if (warp >= kProducer) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
    if (threadIdx.x == 32 * kProducer) {
      produce(network, item_count, shared_address(start), full, empty);
    } else if (is_clerk) {
      const float* const y = reinterpret_cast<const float*>(waiting + clerk.warpgroup * kWaitingBytes + kOutAt);
      keep_books(clerk, network, y, jobs + 2 * clerk.warpgroup, repairs, statuses, lane);
    }
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 240;");
    const uint32_t warpgroup = warp / 4;
    consume(network, item_count, shared_address(waiting) + warpgroup * kWaitingBytes, jobs + 2 * warpgroup,
            Stages{operand_at(shared_address(start)), full, empty, warpgroup}, thread);
  }
  __syncwarp();
  cluster_barrier();  // memory stays until the neighbour has sent all that goes there
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
