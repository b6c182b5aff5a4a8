// The seam of normalisation: a tensor's weights in a device's memory, and the sums that scales are made of.
#pragma once

#include <span>
#include <vector>

#include "nwcodec/result.h"

namespace nwc {

// A WeightMatrix's bytes in device memory. Errors of all functions: kUnsupported and kLimit of the device, with what it
// was doing. Thread safety: one thread at a time.
class DeviceWeights {
 public:
  virtual ~DeviceWeights() = default;
  // Of each column (or row) of each matrix: the sum over its rows (columns), ascending, of (weight * scale)^2 in
  // binary64. `scales`: one for each row (column) of each matrix, or empty for 1.
  virtual Result<std::vector<double>> squares_of_columns(std::span<const double> row_scales) const = 0;
  virtual Result<std::vector<double>> squares_of_rows(std::span<const double> column_scales) const = 0;
};

}  // namespace nwc
