#include "baselines/random_permutation_code.h"

#include <cmath>
#include <numbers>
#include <random>
#include <utility>

#include "base/random_variates.h"

namespace nwc {

double gaussian_quantile(double share) {
  if (share > 0.5) return -gaussian_quantile(1 - share);
  double low = -40, high = 0;
  while (high - low > 1e-13 * (1 - low)) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(-middle / std::numbers::sqrt2) < share ? low : high) = middle;
  }
  return (low + high) / 2;
}

BitshiftTrellis random_permutation_code(unsigned state_bits, unsigned bits, uint64_t seed) {
  BitshiftTrellis trellis{state_bits, bits, 1, {}};
  const uint32_t states = trellis.states();
  for (uint32_t i = 0; i < states; ++i)
    trellis.code.push_back(static_cast<float>(gaussian_quantile((i + 0.5) / states)));
  std::mt19937_64 random(seed);
  for (uint32_t i = states - 1; i > 0; --i) {
    std::swap(trellis.code[i], trellis.code[static_cast<uint32_t>(uniform_variate(random) * (i + 1.0))]);
  }
  return trellis;
}

}  // namespace nwc
