#include "methods/integer_grid.h"

#include "base/half.h"

namespace nwc {

IntegerGrid grid_between(float least, float most, const GridOptions& options) {
  const float largest = static_cast<float>((1u << options.bits) - 1);
  if (options.symmetric) {
    most = std::max(-least, most);
    if (least < 0) least = -most;
  }
  const float step = float_from_half(half_from_float((most - least) / largest));
  if (!(step > 0)) return {0, 0, largest};
  return {step, options.symmetric ? (largest + 1) / 2 : std::nearbyint(-least / step), largest};
}

IntegerGrid grid_of(const float* weights, uint64_t count, uint64_t stride, const GridOptions& options) {
  float least = 0, most = 0;
  for (uint64_t i = 0; i < count; ++i) {
    least = std::min(least, weights[i * stride]);
    most = std::max(most, weights[i * stride]);
  }
  return grid_between(least, most, options);
}

}  // namespace nwc
