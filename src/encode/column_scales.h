// Normalisation: one scale per column (paper, Section 3.1, equation 2).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "encode/weight_matrix.h"
#include "nwcodec/result.h"

namespace nwc {

// What a stream stores: f16 mantissas and a common exponent; and what encoder and decoder compute with, f32(mantissa * 2^exponent).
struct ColumnScales {
  int16_t exponent = 0;
  std::vector<uint16_t> mantissas;  // binary16, [matrices * columns]
  std::vector<float> values;
};

// The scale of a column is the root mean square of its weights: its standard deviation about zero, so that a constant column has
// one too. 0 for a column of zeros. `gain` divides all scales: normalised weights then have that root mean square, and take
// log2(gain) more bits. Independent of `threads`. Errors: kNonFinite with the position of the first NaN or infinite weight.
Result<ColumnScales> column_scales(const WeightMatrix& weights, double gain, int threads);

}  // namespace nwc
