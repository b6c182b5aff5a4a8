// The seam of normalisation: a tensor's weights in a device's memory, and the sums that scales are made of.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "base/device_buffer.h"
#include "nwcodec/result.h"

namespace nwc {

// A copy of a WeightMatrix's bytes in device memory. It travels beside the WeightMatrix whose copy it is; a null
// pointer stands for none, and everything is then done by this machine's cores. Errors of all functions: kUnsupported
// and kLimit of the device, with what it was doing. Thread safety: one thread at a time.
class DeviceWeights {
 public:
  virtual ~DeviceWeights() = default;
  // In storage order.
  const DeviceBuffer& values() const { return values_; }
  // Of each column (or row) of each matrix: the sum over its rows (columns), ascending, of (weight * scale)^2 in
  // binary64. `scales`: one for each row (column) of each matrix, or empty for 1.
  virtual Result<std::vector<double>> squares_of_columns(std::span<const double> row_scales) const = 0;
  virtual Result<std::vector<double>> squares_of_rows(std::span<const double> column_scales) const = 0;

 protected:
  explicit DeviceWeights(DeviceBuffer values) : values_(std::move(values)) {}

 private:
  DeviceBuffer values_;
};

}  // namespace nwc
