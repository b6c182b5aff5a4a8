#include "quantise/feedback_kernel.h"

namespace nwc {
namespace {

constexpr size_t kRun = 64;  // values kept in registers while the columns go by

// One source for all instruction sets: the compiler vectorises over i, never over the sum.
[[gnu::always_inline]] inline void body(const float* __restrict errors, size_t stride,
                                        const float* __restrict coefficients, size_t begin, size_t end,
                                        float* __restrict target, size_t n) {
  size_t i = 0;
  for (; i + kRun <= n; i += kRun) {
    float sum[kRun];
    for (size_t l = 0; l < kRun; ++l) sum[l] = target[i + l];
    for (size_t j = end; j-- > begin;) {
      const float c = coefficients[j];
      const float* const column = errors + j * stride + i;
      for (size_t l = 0; l < kRun; ++l) sum[l] += c * column[l];
    }
    for (size_t l = 0; l < kRun; ++l) target[i + l] = sum[l];
  }
  for (size_t j = end; j-- > begin && i < n;) {
    for (size_t l = i; l < n; ++l) target[l] += coefficients[j] * errors[j * stride + l];
  }
}

void scalar(const float* e, size_t s, const float* c, size_t b, size_t end, float* t, size_t n) {
  body(e, s, c, b, end, t, n);
}
#if defined(__x86_64__)
[[gnu::target("avx2")]] void avx2(const float* e, size_t s, const float* c, size_t b, size_t end, float* t, size_t n) {
  body(e, s, c, b, end, t, n);
}
[[gnu::target("avx512f,prefer-vector-width=512")]] void avx512(const float* e, size_t s, const float* c, size_t b,
                                                               size_t end, float* t, size_t n) {
  body(e, s, c, b, end, t, n);
}
#endif

}  // namespace

void add_weighted_columns(const float* errors, size_t stride, const float* coefficients, size_t begin, size_t end,
                          float* target, size_t n, [[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return avx512(errors, stride, coefficients, begin, end, target, n);
  if (isa == Isa::kAvx2) return avx2(errors, stride, coefficients, begin, end, target, n);
#endif
  scalar(errors, stride, coefficients, begin, end, target, n);
}

}  // namespace nwc
