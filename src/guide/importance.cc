#include "guide/importance.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace nwc {

std::vector<uint8_t> importance_levels(std::span<const double> sensitivity, const ImportanceOptions& options) {
  std::vector<uint32_t> order(sensitivity.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return sensitivity[a] > sensitivity[b]; });
  std::vector<uint8_t> levels(sensitivity.size(), 0);
  size_t next = 0;
  for (size_t s = 0; s < options.shares.size(); ++s) {
    const auto count = static_cast<size_t>(std::floor(options.shares[s] * static_cast<double>(sensitivity.size())));
    for (size_t i = 0; i < count && next < order.size(); ++i)
      levels[order[next++]] = static_cast<uint8_t>(options.shares.size() - s);
  }
  return levels;
}

}  // namespace nwc
