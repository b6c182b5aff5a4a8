// Scalar rounding of latents on this machine's cores (cuda/encode has the device's).
#pragma once

#include <cmath>
#include <cstdint>

#include "entropy/frequency_table.h"

namespace nwc {

// The nearest integer, ties to even, within what an escape can spell out; 0 for NaN: patches then carry the weights.
inline int32_t round_latent(float latent) {
  if (!(std::abs(latent) <= static_cast<float>(kMaxSymbolValue)))
    return latent > 0 ? kMaxSymbolValue : latent < 0 ? -kMaxSymbolValue : 0;
  return static_cast<int32_t>(std::nearbyint(latent));
}

}  // namespace nwc
