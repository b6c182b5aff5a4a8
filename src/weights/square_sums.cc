#include "weights/square_sums.h"

#include "base/bytes.h"
#include "base/half.h"

namespace nwc {
namespace {

struct LoadF32 {
  static constexpr size_t kSize = 4;
  static float from(const std::byte* at) { return load_le<float>(at); }
};
struct LoadF16 {
  static constexpr size_t kSize = 2;
  static float from(const std::byte* at) { return float_from_half(load_le<uint16_t>(at)); }
};
struct LoadBf16 {
  static constexpr size_t kSize = 2;
  static float from(const std::byte* at) { return float_from_bf16(load_le<uint16_t>(at)); }
};

// One source for all instruction sets and types: the compiler vectorises over i.
template <class Load>
[[gnu::always_inline]] inline void body(const std::byte* values, double scale, double* __restrict sums, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const double v = static_cast<double>(Load::from(values + i * Load::kSize)) * scale;
    sums[i] += v * v;
  }
}
[[gnu::always_inline]] inline void any(const std::byte* values, DType dtype, double scale, double* sums, size_t n) {
  switch (dtype) {
    case DType::kF32: return body<LoadF32>(values, scale, sums, n);
    case DType::kF16: return body<LoadF16>(values, scale, sums, n);
    default: return body<LoadBf16>(values, scale, sums, n);
  }
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] void avx2(const std::byte* v, DType t, double scale, double* sums, size_t n) {
  any(v, t, scale, sums, n);
}
[[gnu::target("avx512f,avx512bw,avx512vl,prefer-vector-width=512")]] void avx512(const std::byte* v, DType t,
                                                                                 double scale, double* sums, size_t n) {
  any(v, t, scale, sums, n);
}
#endif

template <class Load>
void spread(const std::byte* values, float* to, size_t stride, size_t n) {
  for (size_t i = 0; i < n; ++i) to[i * stride] = Load::from(values + i * Load::kSize);
}

}  // namespace

void add_squares(const std::byte* values, DType dtype, double scale, double* sums, size_t n, [[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return avx512(values, dtype, scale, sums, n);
  if (isa == Isa::kAvx2) return avx2(values, dtype, scale, sums, n);
#endif
  any(values, dtype, scale, sums, n);
}

void spread_floats(const std::byte* values, DType dtype, float* to, size_t stride, size_t n) {
  switch (dtype) {
    case DType::kF32: return spread<LoadF32>(values, to, stride, n);
    case DType::kF16: return spread<LoadF16>(values, to, stride, n);
    default: return spread<LoadBf16>(values, to, stride, n);
  }
}

}  // namespace nwc
