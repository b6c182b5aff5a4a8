// Columns that would not survive compression because of a few weights that are huge beside all others: uninitialised
// memory, flipped bits.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "weights/weight_matrix.h"

namespace nwc {

struct LostColumns {
  uint64_t columns = 0, of = 0;  // how many would be lost, of all columns of all matrices
  double typical = 0;            // the median magnitude of the weights that are not 0
  // The weight of the largest magnitude, by its place in the stored matrix.
  float largest = 0;
  uint64_t matrix = 0, line = 0, place = 0;
  uint8_t dimensions = 2;
};

// With a scale per column, a column is lost
//   - beside one whose scale is more than 2^29 times as large, because column scales share an exponent
//     (docs/format.md, section 6) and its own falls below binary16's normal numbers;
//   - if its root mean square belongs to the largest 64th of its weights (or to the largest alone) and is more than 32
//     times all others, which then round to zeros.
// What is 2^20 times smaller than the tensor's typical weight is no loss: inputs that training switched off stay
// compressed. `column_rms`: of the columns, [matrices * columns], all finite. Reads some thousand weights, and more
// only of a tensor with columns of suspicious size. Nothing for a tensor that is fine.
std::optional<LostColumns> find_lost_columns(const WeightMatrix& weights, std::span<const double> column_rms);

// "weight [7, 9] is 1e+15 where most are near 0.0135; 47 of 48 columns would be lost beside it".
std::string describe(const LostColumns& lost);

}  // namespace nwc
