#include "baselines/sorted_source.h"

#include <algorithm>

namespace nwc {

SortedSource::SortedSource(std::span<const float> values) : values_(values.begin(), values.end()) {
  std::sort(values_.begin(), values_.end());
  sums_.assign(1, 0.0);
  squares_.assign(1, 0.0);
  sums_.reserve(values_.size() + 1);
  squares_.reserve(values_.size() + 1);
  for (const double v : values_) {
    sums_.push_back(sums_.back() + v);
    squares_.push_back(squares_.back() + v * v);
  }
}

uint64_t SortedSource::below(double threshold, uint64_t known) const {
  const auto is_below = [threshold](float v, double) { return v < threshold; };
  // Doubling steps first: cells are visited in order, and most are short.
  uint64_t step = 1;
  while (known + step < values_.size() && values_[known + step - 1] < threshold) {
    known += step;
    step *= 2;
  }
  const auto begin = values_.begin() + static_cast<std::ptrdiff_t>(known);
  const auto end = values_.begin() + static_cast<std::ptrdiff_t>(std::min<uint64_t>(values_.size(), known + step));
  return static_cast<uint64_t>(std::lower_bound(begin, end, 0.0, is_below) - values_.begin());
}

}  // namespace nwc
