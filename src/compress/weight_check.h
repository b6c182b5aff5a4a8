// Whether a selected tensor can be compressed, by its values.
#pragma once

#include <cstdint>
#include <string>

#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"

namespace nwc {

struct WeightCheck {
  uint64_t weights = 0;
  double squares = 0;    // their sum
  std::string obstacle;  // why the tensor stays plain, naming a weight (weights/lost_columns.h); empty: it does not
};

// Reads all weights. Precondition: that of WeightMatrix::load(). Errors: those of values_of()
// (checkpoint/quantised/stored_format.h), and kNonFinite with the position of the first NaN or infinite weight.
Result<WeightCheck> check_weights(const TensorView& tensor, bool stored_transposed, int threads);

}  // namespace nwc
