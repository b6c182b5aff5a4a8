#include "baselines/shannon.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace nwc {

double differential_entropy(Source source) {
  using std::numbers::e, std::numbers::pi, std::numbers::ln2;
  switch (source) {
    case Source::kGaussian: return 0.5 * std::log2(2 * pi * e);
    case Source::kLaplace: return std::log2(2 * e / std::numbers::sqrt2);
    default: {
      // (v + 1) / 2 (psi((v + 1) / 2) - psi(v / 2)) + ln(sqrt(v) B(v / 2, 1 / 2)) nats for v = 5, less the logarithm of
      // its deviation; psi(3) - psi(5 / 2) = 2 ln 2 - 7 / 6 and B(5 / 2, 1 / 2) = 3 pi / 8.
      const double v = kStudentDegrees;
      return (3 * (2 * ln2 - 7.0 / 6) + std::log(std::sqrt(v) * 3 * pi / 8) - 0.5 * std::log(v / (v - 2))) / ln2;
    }
  }
}

std::optional<double> estimated_entropy(const SortedSource& source) {
  constexpr uint64_t kNeighbours = 64;  // on each side
  const uint64_t n = source.count();
  if (n < 4 * kNeighbours) return std::nullopt;
  // The probability between two of n sorted numbers that are k places apart has a Beta(k, n + 1 - k) distribution,
  // whose logarithm is digamma(k) - digamma(n + 1) on average; digamma(k) = harmonic(k - 1) - Euler's constant.
  std::vector<double> digamma(2 * kNeighbours + 1, -std::numbers::egamma);
  for (uint64_t k = 2; k < digamma.size(); ++k) digamma[k] = digamma[k - 1] + 1 / static_cast<double>(k - 1);
  const double digamma_all = std::log(static_cast<double>(n) + 1) - 0.5 / (static_cast<double>(n) + 1);
  double sum = 0;
  for (uint64_t i = 0; i < n; ++i) {
    const uint64_t first = i < kNeighbours ? 0 : i - kNeighbours, last = std::min(n - 1, i + kNeighbours);
    const double spacing = source.at(last) - source.at(first);
    if (spacing <= 0) return std::nullopt;
    sum += std::log(spacing) - digamma[last - first] + digamma_all;
  }
  return sum / static_cast<double>(n) / std::numbers::ln2;
}

RatePoint shannon_bound(double entropy, double power, double bits) {
  return {bits, std::exp2(2 * (entropy - bits)) / (2 * std::numbers::pi * std::numbers::e * power)};
}

}  // namespace nwc
