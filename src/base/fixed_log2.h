// Base-2 logarithms in integer arithmetic, so that decisions about tables are the same on every machine and C library.
#pragma once

#include <bit>
#include <cstdint>

namespace nwc {

// Fractional bits of the costs below.
inline constexpr unsigned kCostBits = 16;

// floor(log2(value) * 2^kCostBits), exact but for the last few units; value >= 1.
constexpr uint64_t fixed_log2(uint64_t value) {
  const unsigned whole = 63u - static_cast<unsigned>(std::countl_zero(value));
  // Mantissa in [1, 2) with 31 fractional bits, squared once per fractional bit of the result.
  uint64_t mantissa = whole >= 31 ? value >> (whole - 31) : value << (31 - whole);
  uint64_t result = whole;
  for (unsigned bit = 0; bit < kCostBits; ++bit) {
    mantissa = mantissa * mantissa >> 31;
    result <<= 1;
    if (mantissa >> 32 != 0) {
      mantissa >>= 1;
      result |= 1;
    }
  }
  return result;
}

}  // namespace nwc
