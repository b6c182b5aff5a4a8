// Which classes of columns and of rows (format/context_rule.h) a matrix in a device's memory tells apart: those of its
// table, kPairClasses half octaves.
#pragma once

#include <cstdint>
#include <span>

namespace nwc::cuda {

// Lines outside a range count as the nearest within it. Numbers are half octaves, of columns rounded down, of rows up:
// sums stand for three classes, of which the middle one is twice as frequent as its neighbours.
struct ClassRanges {
  int first_column, column_width;  // classes [first_column, first_column + column_width)
  int first_row, row_width;        // column_width + row_width = 2 * kPairClasses

  uint32_t of_column(int line_class) const;
  uint32_t of_row(int line_class) const;
  // The middle class that a sum of 0 stands for.
  int first() const { return first_column + first_row; }
};

// Those that hold most weights.
ClassRanges choose_ranges(std::span<const int16_t> columns, std::span<const int16_t> rows);

}  // namespace nwc::cuda
