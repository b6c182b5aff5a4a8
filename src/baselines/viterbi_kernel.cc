#include "base/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "baselines/viterbi_kernel.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "baselines/viterbi_kernel.h"

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_ARCH_ARM_A64
HWY_BEFORE_NAMESPACE();
namespace nwc {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using DI = hn::RebindToSigned<D>;
using V = hn::Vec<D>;
using I = hn::Vec<DI>;

// States p = branch * group + o; a vector holds neighbouring o, whose states have the totals of p >> step_bits before
// them: 1 << step_bits neighbours share one.
template <size_t kSequences, unsigned kValues>
HWY_INLINE void step_body(const ViterbiStep& s, size_t first) {
  const D d;
  const DI di;
  const hn::Rebind<uint8_t, DI> du8;
  const size_t lanes = hn::Lanes(d), group = size_t{1} << (s.state_bits - s.step_bits),
               branches = size_t{1} << s.step_bits;
  const bool one_total = branches >= lanes;
  const auto spread =
      hn::IndicesFromVec(d, hn::ShiftRightSame(hn::Iota(di, 0), static_cast<int>(one_total ? 0 : s.step_bits)));
  const float* const second = s.code + (size_t{1} << s.state_bits);
  V v[kSequences], w[kSequences];
  for (size_t q = 0; q < kSequences; ++q) {
    v[q] = hn::Set(d, s.weights[first + q][0]);
    w[q] = hn::Set(d, s.weights[first + q][kValues - 1]);
  }
  for (size_t o = 0; o < group; o += lanes) {
    V best[kSequences];
    I branch[kSequences];
    for (size_t q = 0; q < kSequences; ++q) {
      best[q] = hn::Inf(d);
      branch[q] = hn::Zero(di);
    }
    for (size_t j = 0; j < branches; ++j) {
      const size_t p = j * group + o, before = p >> s.step_bits;
      const V code = hn::LoadU(d, s.code + p);
      V other = code;
      if constexpr (kValues == 2) other = hn::LoadU(d, second + p);
      const I here = hn::Set(di, static_cast<int32_t>(j));
      for (size_t q = 0; q < kSequences; ++q) {
        const float* const from = s.from[first + q] + before;
        const V total = one_total ? hn::Set(d, *from) : hn::TableLookupLanes(hn::LoadU(d, from), spread);
        const V a = hn::Sub(v[q], code);
        V with = hn::MulAdd(a, a, total);
        if constexpr (kValues == 2) {
          const V b = hn::Sub(w[q], other);
          with = hn::MulAdd(b, b, with);
        }
        const auto less = hn::Lt(with, best[q]);
        best[q] = hn::Min(with, best[q]);
        branch[q] = hn::IfThenElse(hn::RebindMask(di, less), here, branch[q]);
      }
    }
    for (size_t q = 0; q < kSequences; ++q) {
      hn::StoreU(best[q], d, s.best[first + q] + o);
      hn::StoreU(hn::DemoteTo(du8, branch[q]), du8, s.branch[first + q] + o);
    }
  }
}

template <unsigned kValues>
void step_of(const ViterbiStep& s) {
  size_t first = 0;
#if HWY_TARGET != HWY_AVX2  // 16 registers hold two sequences
  for (; first + 4 <= s.sequences; first += 4) step_body<4, kValues>(s, first);
#endif
  for (; first + 2 <= s.sequences; first += 2) step_body<2, kValues>(s, first);
  for (; first < s.sequences; ++first) step_body<1, kValues>(s, first);
}

}  // namespace

void viterbi_step(const ViterbiStep& s) {
  const D d;
  if (size_t{1} << (s.state_bits - s.step_bits) < hn::Lanes(d)) return viterbi_step_scalar(s);
  s.values == 1 ? step_of<1>(s) : step_of<2>(s);
}

}  // namespace HWY_NAMESPACE
}  // namespace nwc
HWY_AFTER_NAMESPACE();
#endif  // HWY_TARGET

#if HWY_ONCE
#include <limits>

namespace nwc {

void viterbi_step_scalar(const ViterbiStep& s) {
  const size_t states = size_t{1} << s.state_bits, group = states >> s.step_bits;
  for (size_t q = 0; q < s.sequences; ++q) {
    for (size_t o = 0; o < group; ++o) {
      s.best[q][o] = std::numeric_limits<float>::infinity();
      s.branch[q][o] = 0;
    }
    for (size_t p = 0; p < states; ++p) {
      float total = s.from[q][p >> s.step_bits];
      for (unsigned v = 0; v < s.values; ++v) {
        const float d = s.weights[q][v] - s.code[v * states + p];
        total += d * d;
      }
      const size_t o = p & (group - 1);
      if (!(total < s.best[q][o])) continue;
      s.best[q][o] = total;
      s.branch[q][o] = static_cast<uint8_t>(p / group);
    }
  }
}

ViterbiKernel* viterbi_kernel(Isa isa) {
  switch (isa) {
#if HWY_ARCH_X86_64
    case Isa::kAvx2: return N_AVX2::viterbi_step;
    case Isa::kAvx512: return N_AVX3::viterbi_step;
#elif HWY_ARCH_ARM_A64
    case Isa::kNeon: return HWY_STATIC_DISPATCH(viterbi_step);
#endif
    default: return viterbi_step_scalar;
  }
}

}  // namespace nwc
#endif
