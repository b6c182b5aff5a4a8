// Importance levels from Hessians (paper, Section 3.2 and Appendix E).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "nwcodec/result.h"

namespace nwc {

enum class Sensitivity : uint8_t {
  kDiagonal,  // diag(H): what an error in a column costs by itself
  kInverse,   // 1 / diag(H^-1) (Appendix E.3): what it costs after the other columns have compensated
};

// Shares of columns for each level above 0, finest first: with {0.001, 0.01, 0.1} the most sensitive 0.1 % have level
// 3, the next 1 % level 2, the next 10 % level 1. Counts are rounded down, ties go to the lower column.
struct ImportanceOptions {
  std::vector<double> shares{0.001, 0.01, 0.1};
  Sensitivity sensitivity = Sensitivity::kDiagonal;
};

// Whether every share lies between 0 and 1, and so does their sum, and there are fewer than limits::kMaxLevels. Errors:
// kInvalidArgument.
Status check_options(const ImportanceOptions& options);

// The level of each column, [sensitivity.size()]. Precondition: check_options().
std::vector<uint8_t> importance_levels(std::span<const double> sensitivity, const ImportanceOptions& options);

}  // namespace nwc
