// Numbers in ascending order with running sums, so that a scalar quantiser costs time per cell instead of time per
// number.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace nwc {

// Immutable; threads share it. 20 bytes a number.
class SortedSource {
 public:
  // `values`: finite, at least one. Order does not matter.
  explicit SortedSource(std::span<const float> values);

  uint64_t count() const { return values_.size(); }
  double at(uint64_t i) const { return values_[i]; }
  double power() const { return squares_.back() / static_cast<double>(count()); }  // mean square
  // How many numbers are below `threshold`, given that the first `known` are.
  uint64_t below(double threshold, uint64_t known = 0) const;

  // Sums over the numbers [begin, end).
  double sum(uint64_t begin, uint64_t end) const { return sums_[end] - sums_[begin]; }
  double squares(uint64_t begin, uint64_t end) const { return squares_[end] - squares_[begin]; }
  // Sum of (x - level)^2.
  double error(uint64_t begin, uint64_t end, double level) const {
    return squares(begin, end) - 2 * level * sum(begin, end) + static_cast<double>(end - begin) * level * level;
  }

 private:
  std::vector<float> values_;
  std::vector<double> sums_, squares_;  // [count + 1]
};

}  // namespace nwc
