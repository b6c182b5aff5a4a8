#include "study/shannon.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace nwc {

double differential_entropy(Source source) {
  using std::numbers::e, std::numbers::pi, std::numbers::ln2;
  switch (source) {
    case Source::kGaussian: return 0.5 * std::log2(2 * pi * e);
    case Source::kLaplace: return std::log2(2 * e / std::numbers::sqrt2);
    default: {
      // (v + 1) / 2 (psi((v + 1) / 2) - psi(v / 2)) + ln(sqrt(v) B(v / 2, 1 / 2)) nats for v = 5, less the logarithm of its deviation;
      // psi(3) - psi(5 / 2) = 2 ln 2 - 7 / 6 and B(5 / 2, 1 / 2) = 3 pi / 8.
      const double v = kStudentDegrees;
      return (3 * (2 * ln2 - 7.0 / 6) + std::log(std::sqrt(v) * 3 * pi / 8) - 0.5 * std::log(v / (v - 2))) / ln2;
    }
  }
}

std::optional<double> estimated_entropy(const SortedSource& source) {
  const uint64_t n = source.count(), m = static_cast<uint64_t>(std::sqrt(static_cast<double>(n)));
  if (n < 16) return std::nullopt;
  double sum = 0;
  for (uint64_t i = 0; i < n; ++i) {
    const uint64_t first = i < m ? 0 : i - m, last = std::min(n - 1, i + m);
    const double spacing = source.at(last) - source.at(first);
    if (spacing <= 0) return std::nullopt;
    // The ends have neighbours on one side only.
    const double share = 1 + static_cast<double>(std::min({i, n - 1 - i, m})) / static_cast<double>(m);
    sum += std::log2(static_cast<double>(n) * spacing / (share * static_cast<double>(m)));
  }
  return sum / static_cast<double>(n);
}

RatePoint shannon_bound(double entropy, double power, double bits) {
  return {bits, std::exp2(2 * (entropy - bits)) / (2 * std::numbers::pi * std::numbers::e * power)};
}

}  // namespace nwc
