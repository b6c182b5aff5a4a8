#include "decode/bf16_kernel.h"

#include <bit>

namespace nwc {
namespace {

// One source for all instruction sets, without a branch, so that the compiler vectorises it.
[[gnu::always_inline]] inline void body(const float* __restrict values, const float* __restrict scales, float factor,
                                        uint16_t* __restrict out, size_t n) {
  constexpr float kLargest = 0x1.FEp127f;
  for (size_t i = 0; i < n; ++i) {
    float v = values[i] * scales[i] * factor;
    v = v < kLargest ? v : kLargest;
    v = v > -kLargest ? v : -kLargest;
    const auto bits = std::bit_cast<uint32_t>(v);
    out[i] = static_cast<uint16_t>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
  }
}

void scalar(const float* v, const float* s, float f, uint16_t* o, size_t n) { body(v, s, f, o, n); }
#if defined(__x86_64__)
[[gnu::target("avx2")]] void avx2(const float* v, const float* s, float f, uint16_t* o, size_t n) {
  body(v, s, f, o, n);
}
[[gnu::target("avx512f,avx512bw,prefer-vector-width=512")]] void avx512(const float* v, const float* s, float f,
                                                                        uint16_t* o, size_t n) {
  body(v, s, f, o, n);
}
#endif

}  // namespace

void store_bf16(const float* values, const float* scales, float factor, uint16_t* out, size_t n,
                [[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return avx512(values, scales, factor, out, n);
  if (isa == Isa::kAvx2) return avx2(values, scales, factor, out, n);
#endif
  scalar(values, scales, factor, out, n);
}

}  // namespace nwc
