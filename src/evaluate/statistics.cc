#include "evaluate/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace nwc {

MeanEstimate mean_of(std::span<const double> samples) {
  const double n = static_cast<double>(samples.size());
  double sum = 0;
  for (const double x : samples) sum += x;
  MeanEstimate estimate{sum / n, std::nullopt};
  if (samples.size() > 1) {
    double squares = 0;
    for (const double x : samples) squares += (x - estimate.mean) * (x - estimate.mean);
    estimate.standard_error = std::sqrt(squares / (n - 1) / n);
  }
  return estimate;
}

double quantile_of(std::vector<double> samples, double q) {
  const double place = q * static_cast<double>(samples.size() - 1);
  const auto below = static_cast<size_t>(place);
  const auto at = samples.begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(samples.begin(), at, samples.end());
  if (at + 1 == samples.end()) return *at;
  return *at + (place - static_cast<double>(below)) * (*std::min_element(at + 1, samples.end()) - *at);
}

}  // namespace nwc
