#include "quantise/quantiser.h"

#include <cmath>

#include "base/half.h"
#include "transform/transform.h"

namespace nwc {

size_t Quantiser::stride_of(size_t chunks) const { return Transform::padded(chunks); }

std::optional<float> patch_for(float wanted, float decoded, bool inside, float threshold) {
  if (inside && !(std::abs(decoded - wanted) <= threshold)) return float_from_half(half_from_float(wanted));
  if (!std::isfinite(decoded)) return 0.0f;
  return std::nullopt;
}

}  // namespace nwc
