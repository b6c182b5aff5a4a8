// What encoding did to a tensor, in sums.
#pragma once

#include <cstdint>

namespace nwc {

// Sums over a tensor, exact reconstruction included.
struct EncodeStatistics {
  uint64_t weights = 0;
  uint64_t payload_bytes = 0;           // of all tiles
  double table_bits = 0;                // cross-entropy of the symbols under the integer tables used, escapes included
  double squared_error = 0;             // sum over weights of (decoded - original)^2
  double squared_weight = 0;            // sum over weights of original^2
  double normalised_squared_error = 0;  // the same error before the column scales
  double weighted_error = 0;            // tr(E H E^T) with the Hessian of the guide's feedback; 0 without
  uint64_t escapes = 0, patches = 0;
};

}  // namespace nwc
