// What the codes of eight-bit floats stand for.
//
// Thread safety: pure functions.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "nwcodec/dtype.h"

namespace nwc {

// The 256 values of F8_E4M3 (bias 7, no infinities, all ones is NaN) or F8_E5M2 (bias 15, infinities and NaN as IEEE
// has them), by code. Precondition: `dtype` is one of the two.
const std::array<float, 256>& float8_values(DType dtype);

// F8_E8M0, a power of two: 2^(code - 127); 255 is NaN.
inline float float_from_e8m0(uint8_t code) {
  return code == 255 ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0f, code - 127);
}

}  // namespace nwc
