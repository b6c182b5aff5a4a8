// What studies work on: weights as a matrix of normalised columns, in memory, in one layout for every quantiser and
// transform.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "nwcodec/result.h"
#include "weights/weight_matrix.h"

namespace nwc {

// A matrix of `rows` outputs and `columns` inputs, column after column, so that a chunk, a trellis sequence and a
// column are contiguous: weight (row, column) is values[column * rows + row]. values.size() == rows * columns.
struct Samples {
  std::string name;
  uint64_t rows = 0, columns = 0;
  std::vector<float> values;

  std::span<const float> column(uint64_t c) const { return {values.data() + c * rows, rows}; }
  // Mean of the squares; 0 if there are no values.
  double power() const;
};

// Mean of (a - b)^2 over mean of a^2. Precondition: equal sizes, not all of `original` zero.
double normalised_error(std::span<const float> original, std::span<const float> decoded);

// Which part of a tensor becomes samples.
struct SampleLimits {
  uint64_t rows = UINT64_MAX;     // at most so many, in evenly spaced stripes of 16 (whole chunks)
  uint64_t columns = UINT64_MAX;  // at most so many, evenly spaced
};

// The weights as they are, or each over its column's scale (weights/normalisation.h, over the whole column); columns of
// zeros stay zeros. A batch of matrices is laid side by side: its columns are matrices * columns.
Samples raw_samples(const WeightMatrix& weights, const SampleLimits& limits);
// Errors: kNonFinite naming the weight.
Result<Samples> normalised_samples(const WeightMatrix& weights, const SampleLimits& limits, int threads);

}  // namespace nwc
