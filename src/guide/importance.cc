#include "guide/importance.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include "nwcodec/limits.h"

namespace nwc {

Status check_options(const ImportanceOptions& options) {
  constexpr double kRounding = 1e-9;  // of the sum of shares that should give 1
  const auto invalid = [](std::string message) { return Error(ErrorCode::kInvalidArgument, std::move(message)); };
  if (options.shares.size() >= limits::kMaxLevels) {
    return invalid("there are " + std::to_string(options.shares.size()) + " shares of columns; the limit is " +
                   std::to_string(limits::kMaxLevels - 1));
  }
  double sum = 0;
  for (const double share : options.shares) {
    if (!(share >= 0 && share <= 1)) return invalid("a share of columns must lie between 0 and 1");
    sum += share;
  }
  if (sum > 1 + kRounding) return invalid("shares of columns add up to more than 1");
  return {};
}

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
