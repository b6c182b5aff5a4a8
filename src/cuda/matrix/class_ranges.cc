#include "cuda/matrix/class_ranges.h"

#include <algorithm>
#include <vector>

#include "cuda/matrix/layout.h"

namespace nwc::cuda {
namespace {

// How many of `sorted` lie in the range of `width` classes that holds most, and where it begins.
struct Range {
  int first = 0;
  size_t count = 0;
};
Range best_range(const std::vector<int16_t>& sorted, int width) {
  Range best;
  for (size_t begin = 0, end = 0; begin < sorted.size(); ++begin) {
    while (end < sorted.size() && sorted[end] < sorted[begin] + width) ++end;
    if (end - begin > best.count) best = {sorted[begin], end - begin};
  }
  return best;
}

}  // namespace

uint32_t ClassRanges::of_column(int line_class) const {
  return static_cast<uint32_t>(std::clamp(line_class - first_column, 0, column_width - 1)) / 2;
}
uint32_t ClassRanges::of_row(int line_class) const {
  return (static_cast<uint32_t>(std::clamp(line_class - first_row, 0, row_width - 1)) + 1) / 2;
}

ClassRanges choose_ranges(std::span<const int16_t> columns, std::span<const int16_t> rows) {
  std::vector<int16_t> of_columns(columns.begin(), columns.end()), of_rows(rows.begin(), rows.end());
  std::sort(of_columns.begin(), of_columns.end());
  std::sort(of_rows.begin(), of_rows.end());
  constexpr int kWidths = 2 * static_cast<int>(kPairClasses);
  ClassRanges best{0, 1, 0, kWidths - 1};
  double most = -1;
  for (int width = 1; width < kWidths; ++width) {
    const Range c = best_range(of_columns, width), r = best_range(of_rows, kWidths - width);
    const double weights = static_cast<double>(c.count) * static_cast<double>(r.count);
    if (weights > most) most = weights, best = {c.first, width, r.first, kWidths - width};
  }
  return best;
}

}  // namespace nwc::cuda
