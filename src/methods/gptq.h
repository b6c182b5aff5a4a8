// GPTQ's rounding of one matrix, for methods that transform weights and Hessian first.
#pragma once

#include <cstdint>
#include <vector>

#include "methods/dense.h"
#include "methods/input_groups.h"
#include "methods/integer_grid.h"

namespace nwc {

struct GptqOptions {
  GridOptions grid;
  uint64_t group = 128;       // columns; 0 means all
  bool act_order = true;      // columns by falling diagonal of the Hessian
  bool static_groups = true;  // grids of the original weights, of columns that stand together
  double damping = 0.01;      // share of the mean diagonal; ten times more where that is not enough
};

// `weights`: [rows][hessian.rows]. Errors: kCorrupt for a Hessian that no damping helps.
Result<QuantisedMatrix> gptq(const std::vector<float>& weights, uint64_t rows, Dense hessian,
                             const GptqOptions& options, int threads);

}  // namespace nwc
