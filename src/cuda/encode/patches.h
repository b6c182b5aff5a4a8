// The patches and sums of one matrix on their way back from the kernels that quantise.
#pragma once

#include <algorithm>
#include <tuple>
#include <vector>

#include "cuda/encode/buffers.h"
#include "cuda/encode/kernels.h"
#include "cuda/support/transfer.h"
#include "quantise/encode_statistics.h"

namespace nwc::cuda {

struct PatchesAndSums {
  std::vector<FoundPatch> patches;  // by stripe, column and row
  std::vector<double> sums;         // [kSums] of each work item
};

// Runs quantise(), a Result with the sums that adds patches to the task's list. Patches are rare: where the list is too
// short, all is done again with room for them.
template <class Quantise>
Result<PatchesAndSums> collect_patches(QuantiserTask& task, Buffers& buffers, const Quantise& quantise) {
  NWC_RETURN_IF_ERROR(at_least(buffers.patch_count, sizeof(uint32_t)));
  task.patch_count = as<uint32_t>(buffers.patch_count);
  PatchesAndSums result;
  uint32_t found = 0;
  for (uint64_t room = std::max<uint64_t>(1024, task.slots * task.matrix.columns / 16);; room = found) {
    NWC_RETURN_IF_ERROR(at_least(buffers.patches, room * sizeof(FoundPatch)));
    task.patches = as<FoundPatch>(buffers.patches);
    task.patch_capacity = static_cast<uint32_t>(room);
    NWC_RETURN_IF_ERROR(checked(cudaMemset(task.patch_count, 0, sizeof found), "quantising"));
    NWC_ASSIGN_OR_RETURN(result.sums, quantise());
    NWC_RETURN_IF_ERROR(get(std::span(&found, 1), buffers.patch_count));
    if (found <= room) break;
  }
  result.patches.resize(found);
  NWC_RETURN_IF_ERROR(get(std::span(result.patches), buffers.patches));
  // The kernels append in any order.
  std::sort(result.patches.begin(), result.patches.end(), [](const FoundPatch& a, const FoundPatch& b) {
    return std::tie(a.stripe, a.column, a.row) < std::tie(b.stripe, b.column, b.row);
  });
  return result;
}

// The sums of a launch's work items, which it left in buffers.sums.
inline Result<std::vector<double>> read_sums(const Buffers& buffers, size_t items) {
  std::vector<double> sums(items * kSums);
  NWC_RETURN_IF_ERROR(get(std::span(sums), buffers.sums));
  return sums;
}

inline void add_sums(std::span<const double> sums, EncodeStatistics& total) {
  for (size_t i = 0; i + kSums <= sums.size(); i += kSums) {
    total.squared_error += sums[i];
    total.normalised_squared_error += sums[i + 1];
    total.squared_weight += sums[i + 2];
    total.weighted_error += sums[i + 3];
  }
}

}  // namespace nwc::cuda
