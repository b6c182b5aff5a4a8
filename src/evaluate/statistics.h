// Means with their uncertainty, and percentiles.
#pragma once

#include <optional>
#include <span>
#include <vector>

namespace nwc {

struct MeanEstimate {
  double mean = 0;
  // Of the mean: sample standard deviation / sqrt(n); none for a single sample.
  std::optional<double> standard_error;
};

// samples must not be empty.
MeanEstimate mean_of(std::span<const double> samples);

// The value below which the share `q`, in [0, 1], of the samples lies; between two samples, linearly interpolated.
// samples must not be empty.
double quantile_of(std::vector<double> samples, double q);

}  // namespace nwc
