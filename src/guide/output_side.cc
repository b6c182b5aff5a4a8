#include "guide/output_side.h"

#include <numeric>

#include "guide/factoriser.h"

namespace nwc {

Result<FeedbackFactor> factorise_output_side(std::span<const float> triangle, uint64_t rows, double shrinkage,
                                             const LdlOptions& options, int threads, Factoriser* device) {
  std::vector<float> shrunk(triangle.begin(), triangle.end());
  for (uint64_t i = 0, at = 0; i < rows && at + i < shrunk.size(); ++i, ++at) {
    for (uint64_t j = 0; j < i; ++j) shrunk[at++] *= static_cast<float>(1 - shrinkage);
  }
  std::vector<uint32_t> order(rows);
  std::iota(order.begin(), order.end(), 0u);
  LdlOptions one_by_one = options;
  one_by_one.block_size = 1;
  if (device != nullptr) return device->factorise(shrunk, rows, std::move(order), one_by_one);
  return factorise(shrunk, rows, std::move(order), one_by_one, threads);
}

}  // namespace nwc
