#include "compress/tensor_loop.h"

#include <algorithm>
#include <atomic>
#include <functional>

#include "base/parallel.h"
#include "guide/guide_source.h"
#include "team/team.h"

namespace nwc {
namespace {

constexpr uint64_t kRoom = uint64_t{512} << 20;

}  // namespace

size_t tensors_at_once(std::span<const uint64_t> bytes, int threads) {
  std::vector<uint64_t> largest(bytes.begin(), bytes.end());
  std::sort(largest.begin(), largest.end(), std::greater());
  const auto most = static_cast<size_t>(resolve_threads(threads));
  size_t count = 0;
  for (uint64_t sum = 0; count < std::min(most, largest.size()); ++count) {
    sum += largest[count];
    if (sum > kRoom) break;
  }
  return std::max<size_t>(1, count);
}

uint64_t working_bytes(const WeightMatrix& shape, const GuideSource* guides) {
  // Weights as floats, what feedback adds to them, and their symbols.
  constexpr uint64_t kWeight = 2 * sizeof(float) + sizeof(int32_t);
  return kWeight * shape.elements() + (guides != nullptr ? guides->working_bytes(shape) : 0);
}

Status TensorLoop::run(const std::function<Status(size_t i, const WeightMatrix& weights)>& body) const {
  std::vector<size_t> own;
  std::vector<uint64_t> bytes;
  for (size_t i = team.rank(); i < tensors.size(); i += team.size()) {
    own.push_back(i);
    bytes.push_back(working_bytes(WeightMatrix::of(*tensors[i].view, tensors[i].transposed, {}), guides));
  }
  std::atomic<size_t> begun{0};
  return parallel_for_at_once(
      own.size(), on_device ? 1 : tensors_at_once(bytes, threads), threads, [&](size_t item, int worker) -> Status {
        const SelectedTensor& tensor = tensors[own[item]];
        NWC_RETURN_IF_ERROR(progress.check_stop());
        const size_t before = begun++;
        // The calling thread is worker 0.
        if (worker == 0) progress.at(before * team.size(), tensors.size(), what);
        NWC_ASSIGN_OR_RETURN(const WeightMatrix weights, WeightMatrix::load(*tensor.view, tensor.transposed, threads));
        return body(own[item], weights);
      });
}

}  // namespace nwc
