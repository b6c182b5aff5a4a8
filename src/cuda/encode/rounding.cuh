// Scalar rounding on the device: the same integers as on the cores (quantise/rounding.h).
#pragma once

#include <cstdint>

namespace nwc::cuda {

// The integer for a latent less its center; NaN gives 0, and the patches then carry the weights.
__device__ inline int32_t round_latent(float v) {
  constexpr int32_t kLargest = 1 << 30;  // kMaxSymbolValue
  return fabsf(v) <= static_cast<float>(kLargest) ? __float2int_rn(v) : v > 0 ? kLargest : v < 0 ? -kLargest : 0;
}

}  // namespace nwc::cuda
