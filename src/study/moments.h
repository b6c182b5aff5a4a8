// How heavy the tails of a set of numbers are (paper, Table 1 and Figure 13).
#pragma once

#include <cstdint>
#include <span>

namespace nwc {

// All about the mean; sigma is the (population) standard deviation. Zeros if there are no numbers or all are equal.
struct Moments {
  uint64_t count = 0;
  double mean = 0, deviation = 0;
  double excess_kurtosis = 0;  // 0 for a Gaussian, 3 for a Laplace distribution
  double max_sigma = 0;        // largest distance from the mean, in sigma
  double share_beyond_3 = 0;   // of the numbers farther than 3 sigma from the mean: 0.0027 for a Gaussian
};

Moments moments_of(std::span<const float> values);

}  // namespace nwc
