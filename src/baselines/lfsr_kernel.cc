#include "base/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "baselines/lfsr_kernel.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "baselines/lfsr_kernel.h"

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_ARCH_ARM_A64
HWY_BEFORE_NAMESPACE();
namespace nwc {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// Sums in registers: kLfsrTogether blocks x kVectors vectors of bases.
#if HWY_TARGET == HWY_AVX2
constexpr size_t kVectors = 1;
#else
constexpr size_t kVectors = 2;
#endif

template <unsigned kLength>
void shares_of(const LfsrTile& tile) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  V largest[kLfsrTogether];
  for (size_t b = 0; b < kLfsrTogether; ++b) largest[b] = hn::Zero(d);
  for (size_t s = 0; s < kLfsrTile; s += kVectors * lanes) {
    V sums[kLfsrTogether][kVectors];
#pragma GCC unroll 4
    for (size_t b = 0; b < kLfsrTogether; ++b) {
#pragma GCC unroll 2
      for (size_t k = 0; k < kVectors; ++k) sums[b][k] = hn::Zero(d);
    }
    for (unsigned p = 0; p < tile.numbers; ++p) {
      V inner[kLfsrTogether][kVectors];
#pragma GCC unroll 4
      for (size_t b = 0; b < kLfsrTogether; ++b) {
#pragma GCC unroll 2
        for (size_t k = 0; k < kVectors; ++k) inner[b][k] = hn::Zero(d);
      }
      for (unsigned c = 0; c < kLength; ++c) {
        const float* const column = tile.bases + (size_t{p} * kLength + c) * kLfsrTile + s;
        V x[kVectors];
#pragma GCC unroll 2
        for (size_t k = 0; k < kVectors; ++k) x[k] = hn::LoadU(d, column + k * lanes);
#pragma GCC unroll 4
        for (size_t b = 0; b < kLfsrTogether; ++b) {
          const V w = hn::Set(d, tile.blocks[b * kLength + c]);
#pragma GCC unroll 2
          for (size_t k = 0; k < kVectors; ++k) inner[b][k] = hn::MulAdd(w, x[k], inner[b][k]);
        }
      }
#pragma GCC unroll 4
      for (size_t b = 0; b < kLfsrTogether; ++b) {
#pragma GCC unroll 2
        for (size_t k = 0; k < kVectors; ++k) sums[b][k] = hn::MulAdd(inner[b][k], inner[b][k], sums[b][k]);
      }
    }
#pragma GCC unroll 4
    for (size_t b = 0; b < kLfsrTogether; ++b) {
#pragma GCC unroll 2
      for (size_t k = 0; k < kVectors; ++k) {
        hn::StoreU(sums[b][k], d, tile.shares + b * kLfsrTile + s + k * lanes);
        largest[b] = hn::Max(largest[b], sums[b][k]);
      }
    }
  }
  for (size_t b = 0; b < kLfsrTogether; ++b) tile.largest[b] = hn::GetLane(hn::MaxOfLanes(d, largest[b]));
}

}  // namespace

void lfsr_shares(const LfsrTile& tile) {
  if (tile.length == 8) return shares_of<8>(tile);
  if (tile.length == 12) return shares_of<12>(tile);
  lfsr_shares_scalar(tile);
}

}  // namespace HWY_NAMESPACE
}  // namespace nwc
HWY_AFTER_NAMESPACE();
#endif  // HWY_TARGET

#if HWY_ONCE
#include <algorithm>

namespace nwc {

void lfsr_shares_scalar(const LfsrTile& tile) {
  for (size_t b = 0; b < kLfsrTogether; ++b) {
    tile.largest[b] = 0;
    for (size_t s = 0; s < kLfsrTile; ++s) {
      float sum = 0;
      for (unsigned p = 0; p < tile.numbers; ++p) {
        float inner = 0;
        for (unsigned c = 0; c < tile.length; ++c)
          inner += tile.blocks[b * tile.length + c] * tile.bases[(size_t{p} * tile.length + c) * kLfsrTile + s];
        sum += inner * inner;
      }
      tile.shares[b * kLfsrTile + s] = sum;
      tile.largest[b] = std::max(tile.largest[b], sum);
    }
  }
}

LfsrKernel* lfsr_kernel(Isa isa) {
  switch (isa) {
#if HWY_ARCH_X86_64
    case Isa::kAvx2: return N_AVX2::lfsr_shares;
    case Isa::kAvx512: return N_AVX3::lfsr_shares;
#elif HWY_ARCH_ARM_A64
    case Isa::kNeon: return HWY_STATIC_DISPATCH(lfsr_shares);
#endif
    default: return lfsr_shares_scalar;
  }
}

}  // namespace nwc
#endif
