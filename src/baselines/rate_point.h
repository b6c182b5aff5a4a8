// A point of a rate-distortion curve.
#pragma once

#include <cmath>
#include <vector>

namespace nwc {

struct RatePoint {
  double bits = 0;  // per weight
  double nmse = 1;  // mean squared error over mean square of the weights
};

inline double decibels(double ratio) { return 10 * std::log10(ratio); }

// Distance from the rate-distortion function of a Gaussian, 4^-bits: 1.53 dB for entropy-coded scalar quantisation at
// high rate, 6.02 dB a bit.
inline double gap_decibels(const RatePoint& point) { return decibels(point.nmse) + point.bits * decibels(4); }

}  // namespace nwc
