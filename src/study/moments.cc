#include "study/moments.h"

#include <algorithm>
#include <cmath>

namespace nwc {

Moments moments_of(std::span<const float> values) {
  Moments m;
  m.count = values.size();
  if (values.empty()) return m;
  const double n = static_cast<double>(values.size());
  double sum = 0;
  for (const double v : values) sum += v;
  m.mean = sum / n;
  double second = 0, fourth = 0, largest = 0;
  for (const double v : values) {
    const double square = (v - m.mean) * (v - m.mean);
    second += square;
    fourth += square * square;
    largest = std::max(largest, square);
  }
  if (second == 0) return m;
  const double variance = second / n;
  m.deviation = std::sqrt(variance);
  m.excess_kurtosis = fourth / n / (variance * variance) - 3;
  m.max_sigma = std::sqrt(largest / variance);
  uint64_t beyond = 0;
  for (const double v : values) beyond += (v - m.mean) * (v - m.mean) > 9 * variance;
  m.share_beyond_3 = static_cast<double>(beyond) / n;
  return m;
}

}  // namespace nwc
