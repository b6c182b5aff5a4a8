#include "cuda/matrix/class_ranges.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <vector>

#include "cuda/matrix/layout.h"

namespace nwc::cuda {
namespace {

TEST(ClassRanges, HoldNearlyAllWeightsAndNameTablesOnly) {
  std::mt19937 random(5);
  std::normal_distribution<double> normal;
  std::vector<int16_t> columns, rows;
  for (int i = 0; i < 4096; ++i) {
    columns.push_back(static_cast<int16_t>(30 + 2.2 * normal(random)));
    rows.push_back(static_cast<int16_t>(-7 + 1.8 * normal(random)));
  }
  rows[5] = 500, columns[9] = -400;
  const ClassRanges ranges = choose_ranges(columns, rows);
  EXPECT_EQ(ranges.column_width + ranges.row_width, 2 * static_cast<int>(kPairClasses));
  int near = 0;
  for (const int16_t c : columns) {
    for (const int16_t r : {rows[0], rows[1], rows[5], rows[77]}) {
      const uint32_t sum = ranges.of_column(c) + ranges.of_row(r);
      EXPECT_LT(sum, kPairClasses);
      near += std::abs(ranges.first() + 2 * static_cast<int>(sum) - c - r) <= 1 ? 1 : 0;
    }
  }
  EXPECT_GT(near, 3 * 4000);
}

TEST(ClassRanges, TakeOneLineEach) {
  const int16_t column = 40, row = -3;
  const ClassRanges ranges = choose_ranges({&column, 1}, {&row, 1});
  EXPECT_EQ(ranges.first() + 2 * static_cast<int>(ranges.of_column(column) + ranges.of_row(row)), 37);
}

}  // namespace
}  // namespace nwc::cuda
