// SIMD bodies of the residual MLP: a vector holds one value of several chunks, so every operation of the reference
// becomes one vector operation and the order of operations on a chunk stays what it was.
#include "base/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "transform/residual_mlp_simd.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "transform/residual_mlp.h"

// Only targets with a fused multiply-add round like the reference.
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_ARCH_ARM_A64
HWY_BEFORE_NAMESPACE();
namespace nwc {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

constexpr size_t kB = kMlpBlock;

// Accumulators in registers: kRows outputs x kColumns vectors of chunks. 32 registers hold 8 x 2 plus operands, 16 hold
// 4 x 2.
#if HWY_TARGET == HWY_AVX2
constexpr size_t kRows = 4, kColumns = 2;
#else
constexpr size_t kRows = 8, kColumns = 2;
#endif

// One micro-tile: outputs [row, row + kRows) of a panel, kColumns vectors of chunks.
HWY_INLINE void micro_tile(const float* HWY_RESTRICT panel, const float* HWY_RESTRICT bias, size_t inputs,
                           const float* HWY_RESTRICT in, size_t in_stride, float* HWY_RESTRICT out, size_t out_stride) {
  const D d;
  const size_t n = hn::Lanes(d);
  V acc[kRows][kColumns];
#pragma GCC unroll 8
  for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (size_t c = 0; c < kColumns; ++c) acc[r][c] = hn::Set(d, bias[r]);
  }
  for (size_t k = 0; k < inputs; ++k) {
    V x[kColumns];
#pragma GCC unroll 2
    for (size_t c = 0; c < kColumns; ++c) x[c] = hn::Load(d, in + k * in_stride + c * n);
#pragma GCC unroll 8
    for (size_t r = 0; r < kRows; ++r) {
      const V w = hn::Set(d, panel[k * kMlpPanel + r]);
#pragma GCC unroll 2
      for (size_t c = 0; c < kColumns; ++c) acc[r][c] = hn::MulAdd(w, x[c], acc[r][c]);
    }
  }
#pragma GCC unroll 8
  for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (size_t c = 0; c < kColumns; ++c) hn::Store(acc[r][c], d, out + r * out_stride + c * n);
  }
}

// Outputs are written panel by panel, those of the padding included.
void linear(const LinearView& layer, const float* HWY_RESTRICT in, size_t in_stride, float* HWY_RESTRICT out,
            size_t out_stride) {
  const size_t step = kColumns * hn::Lanes(D());
  for (size_t j = 0; j < layer.outputs; j += kMlpPanel) {
    const float* panel = layer.packed + j * layer.inputs;
    for (size_t r = 0; r < kMlpPanel; r += kRows) {
      for (size_t i = 0; i < kB; i += step) {
        micro_tile(panel + r, layer.bias + j + r, layer.inputs, in + i, in_stride, out + (j + r) * out_stride + i,
                   out_stride);
      }
    }
  }
}

void norm_and_add(const MlpBlockView& block, const float* HWY_RESTRICT embedding, size_t width, float* HWY_RESTRICT h,
                  const float* HWY_RESTRICT u) {
  const D d;
  const V zero = hn::Zero(d), w = hn::Set(d, static_cast<float>(width));
  // Four vectors at a time, so that the additions of different chunks overlap.
  constexpr size_t kTogether = 4;
  const size_t n = hn::Lanes(d), step = kTogether * n;
  for (size_t i = 0; i < kB; i += step) {
    V mean[kTogether], r[kTogether];
#pragma GCC unroll 4
    for (size_t c = 0; c < kTogether; ++c) mean[c] = r[c] = zero;
    for (size_t j = 0; j < width; ++j) {
#pragma GCC unroll 4
      for (size_t c = 0; c < kTogether; ++c) mean[c] = hn::Add(mean[c], hn::Load(d, u + j * kB + i + c * n));
    }
#pragma GCC unroll 4
    for (size_t c = 0; c < kTogether; ++c) mean[c] = hn::Div(mean[c], w);
    for (size_t j = 0; j < width; ++j) {
#pragma GCC unroll 4
      for (size_t c = 0; c < kTogether; ++c) {
        const V diff = hn::Sub(hn::Load(d, u + j * kB + i + c * n), mean[c]);
        r[c] = hn::MulAdd(diff, diff, r[c]);
      }
    }
#pragma GCC unroll 4
    for (size_t c = 0; c < kTogether; ++c) {
      r[c] = hn::Div(hn::Set(d, 1.0f), hn::Sqrt(hn::Add(hn::Div(r[c], w), hn::Set(d, 1e-5f))));
    }
    for (size_t j = 0; j < width; ++j) {
      const V gain = hn::Set(d, block.gain[j]), offset = hn::Set(d, block.offset[j]), e = hn::Set(d, embedding[j]);
#pragma GCC unroll 4
      for (size_t c = 0; c < kTogether; ++c) {
        const size_t at = j * kB + i + c * n;
        const V t = hn::MulAdd(hn::Mul(hn::Sub(hn::Load(d, u + at), mean[c]), r[c]), gain, offset);
        const V positive = hn::IfThenElseZero(hn::Gt(t, zero), t);
        hn::Store(hn::Mul(hn::Add(hn::Load(d, h + at), positive), e), d, h + at);
      }
    }
  }
}

}  // namespace

void residual_mlp(const MlpView& mlp, size_t level, const float* x, float* y, size_t stride, float* scratch) {
  const D d;
  float* const hidden = scratch;
  float* const update = scratch + mlp_scratch_floats(mlp) / 2;
  if (mlp.depth == 0) {
    const float* embedding = mlp.embedding(0, level);
    for (size_t k = 0; k < mlp.inputs; ++k) {
      const V e = hn::Set(d, embedding[k]);
      for (size_t i = 0; i < kB; i += hn::Lanes(d))
        hn::Store(hn::Mul(hn::Load(d, x + k * stride + i), e), d, hidden + k * kB + i);
    }
  } else {
    linear(mlp.in, x, stride, hidden, kB);
    for (size_t b = 0; b < mlp.depth; ++b) {
      linear(mlp.blocks[b].linear, hidden, kB, update, kB);
      norm_and_add(mlp.blocks[b], mlp.embedding(b, level), mlp.width, hidden, update);
    }
  }
  linear(mlp.out, hidden, kB, y, stride);
}

}  // namespace HWY_NAMESPACE
}  // namespace nwc
HWY_AFTER_NAMESPACE();
#endif  // HWY_TARGET

#if HWY_ONCE
namespace nwc {

MlpKernel* residual_mlp_kernel(Isa isa) {
  switch (isa) {
#if HWY_ARCH_X86_64
    case Isa::kAvx2: return N_AVX2::residual_mlp;
    case Isa::kAvx512: return N_AVX3::residual_mlp;
#elif HWY_ARCH_ARM_A64
    case Isa::kNeon: return HWY_STATIC_DISPATCH(residual_mlp);
#endif
    default: return residual_mlp_scalar;
  }
}

}  // namespace nwc
#endif
