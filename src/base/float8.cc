#include "base/float8.h"

namespace nwc {
namespace {

// Of a float with `mantissa_bits` bits behind the point; neither infinite nor NaN.
float finite_value(unsigned code, int mantissa_bits, int bias) {
  const int mantissa = static_cast<int>(code & ((1u << mantissa_bits) - 1));
  const int exponent = static_cast<int>((code & 127) >> mantissa_bits);
  const int significand = exponent == 0 ? mantissa : mantissa + (1 << mantissa_bits);
  const float magnitude =
      std::ldexp(static_cast<float>(significand), (exponent == 0 ? 1 : exponent) - bias - mantissa_bits);
  return (code & 128) != 0 ? -magnitude : magnitude;
}

std::array<float, 256> values_of(DType dtype) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  std::array<float, 256> values;
  for (unsigned code = 0; code < 256; ++code) {
    const unsigned magnitude = code & 127;
    if (dtype == DType::kF8E4M3) {
      values[code] = magnitude == 0x7F ? kNan : finite_value(code, 3, 7);
    } else if (magnitude >= 0x7C) {
      const float infinity = std::numeric_limits<float>::infinity();
      values[code] = magnitude > 0x7C ? kNan : (code & 128) != 0 ? -infinity : infinity;
    } else {
      values[code] = finite_value(code, 2, 15);
    }
  }
  return values;
}

}  // namespace

const std::array<float, 256>& float8_values(DType dtype) {
  static const std::array<float, 256> e4m3 = values_of(DType::kF8E4M3), e5m2 = values_of(DType::kF8E5M2);
  return dtype == DType::kF8E4M3 ? e4m3 : e5m2;
}

}  // namespace nwc
