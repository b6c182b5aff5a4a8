#include "base/random_variates.h"

#include <cmath>
#include <numbers>

namespace nwc {

uint64_t seed_of_part(uint64_t seed, size_t index) {
  std::seed_seq mixed{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), static_cast<uint32_t>(index)};
  uint32_t words[2];
  mixed.generate(std::begin(words), std::end(words));
  return uint64_t{words[0]} << 32 | words[1];
}

double uniform_variate(std::mt19937_64& random) { return (static_cast<double>(random() >> 12) + 0.5) * 0x1p-52; }

double gaussian_variate(std::mt19937_64& random) {
  const double radius = std::sqrt(-2 * std::log(uniform_variate(random)));
  return radius * std::cos(2 * std::numbers::pi * uniform_variate(random));
}

double laplace_variate(std::mt19937_64& random) {
  const double u = uniform_variate(random) - 0.5;
  return u < 0 ? std::log(1 + 2 * u) : -std::log(1 - 2 * u);
}

double student_t_variate(std::mt19937_64& random, double degrees) {
  for (;;) {
    const double u = 2 * uniform_variate(random) - 1, v = 2 * uniform_variate(random) - 1, w = u * u + v * v;
    if (w > 1) continue;
    return u * std::sqrt(degrees * (std::pow(w, -2 / degrees) - 1) / w);
  }
}

}  // namespace nwc
