// Integer grids, as GPTQ, AWQ and their kin store weights: w = (q - zero) * step with q a whole number of so many bits.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

namespace nwc {

struct IntegerGrid {
  float step = 0;     // a number of binary16; 0: all weights are 0
  float zero = 0;     // the integer that stands for 0
  float largest = 0;  // 2^bits - 1

  // Nearest, ties to even integers.
  float round(float w) const {
    if (!(step > 0)) return 0.0f;
    return (std::clamp(std::nearbyint(w / step) + zero, 0.0f, largest) - zero) * step;
  }
};

struct GridOptions {
  unsigned bits = 4;       // 1 to 8
  bool symmetric = false;  // zero in the middle, and not stored
  // Bits of a grid: its step, and where it is not fixed its zero.
  double stored_bits() const { return 16 + (symmetric ? 0 : bits); }
};

// Of weights between `least` <= 0 and `most` >= 0.
IntegerGrid grid_between(float least, float most, const GridOptions& options);
// Of `count` weights that stand `stride` apart: from their least to their greatest, zero included.
IntegerGrid grid_of(const float* weights, uint64_t count, uint64_t stride, const GridOptions& options);

// Columns of a group, where 0 means all; and groups of so many columns.
inline uint64_t group_width(uint64_t group, uint64_t columns) {
  return group == 0 ? std::max<uint64_t>(1, columns) : group;
}
inline uint64_t groups_in(uint64_t group, uint64_t columns) {
  return (columns + group_width(group, columns) - 1) / group_width(group, columns);
}

// Bits of a matrix on such grids, a grid for each group of a row.
inline double grid_bits(uint64_t rows, uint64_t columns, uint64_t group, const GridOptions& options) {
  return static_cast<double>(rows * columns) * options.bits +
         static_cast<double>(rows * groups_in(group, columns)) * options.stored_bits();
}

}  // namespace nwc
