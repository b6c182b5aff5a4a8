#include "quantise/quantiser.h"

#include <cmath>

#include "base/half.h"

namespace nwc {

std::optional<float> patch_for(float wanted, float decoded, bool inside, float threshold) {
  if (inside && !(std::abs(decoded - wanted) <= threshold)) return float_from_half(half_from_float(wanted));
  if (!std::isfinite(decoded)) return 0.0f;
  return std::nullopt;
}

}  // namespace nwc
