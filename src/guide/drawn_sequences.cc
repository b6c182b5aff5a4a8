#include "guide/drawn_sequences.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace nwc {

Result<std::vector<int64_t>> draw_sequences(std::span<const int32_t> ids, int64_t length, int64_t count,
                                            uint64_t seed) {
  const int64_t windows = static_cast<int64_t>(ids.size()) / length;
  if (windows == 0) {
    return Error(ErrorCode::kInvalidArgument,
                 "has " + std::to_string(ids.size()) + " tokens, fewer than one sequence of " + std::to_string(length))
        .remedy("choose a shorter --length or a longer text");
  }
  std::vector<int64_t> order(static_cast<size_t>(windows));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::mt19937_64 random(seed);
  const auto drawn = static_cast<size_t>(std::min(count, windows));
  // Fisher and Yates with plain remainders: std::shuffle differs between libraries.
  for (size_t i = 0; i < drawn; ++i) std::swap(order[i], order[i + random() % (order.size() - i)]);
  order.resize(drawn);
  std::sort(order.begin(), order.end());
  for (int64_t& begin : order) begin *= length;
  return order;
}

}  // namespace nwc
