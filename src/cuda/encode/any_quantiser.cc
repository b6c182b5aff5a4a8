#include "cuda/decode/kernels.h"
#include "cuda/encode/batch_plan.h"
#include "cuda/encode/matrix_quantiser.h"
#include "cuda/encode/patches.h"

namespace nwc::cuda {
namespace {

template <class T>
const T* in_plan(const Buffers& buffers, size_t offset) {
  return reinterpret_cast<const T*>(buffers.plan.bytes() + offset);
}

// A network on all chunks of a batch, from one of its buffers to another of `floats`. Outputs that are not finite stay
// NaN.
Status apply(const NetworkOnDevice& network, const PlannedBatch& batch, size_t groups_at, const float* from, float* to,
             size_t floats, int multiprocessors, const Buffers& buffers) {
  const Tile* const tiles = in_plan<Tile>(buffers, batch.tiles);
  const Group* const groups = in_plan<Group>(buffers, groups_at);
  const auto* const statuses = as<const uint32_t>(buffers.statuses);
  uint32_t* repairs = nullptr;
  NWC_RETURN_IF_ERROR(checked(cudaMemsetAsync(to, 0xFF, floats * sizeof(float), nullptr), "quantising"));
  if (network.wide != nullptr) {
    repairs = as<uint32_t>(buffers.repairs);
    NWC_RETURN_IF_ERROR(
        checked(cudaMemsetAsync(repairs, 0, batch.block_count * sizeof(uint32_t), nullptr), "quantising"));
    const auto wide = network.wide_path == WidePath::kWgmma ? wide_synthesis : wide_synthesis_mma;
    NWC_RETURN_IF_ERROR(checked(wide(network.wide, tiles, in_plan<WideItem>(buffers, batch.items), batch.item_count,
                                     groups, from, repairs, statuses, multiprocessors, nullptr),
                                "launching a network"));
  }
  return checked(exact_synthesis(network.exact, network.width, network.outputs, network.inputs, tiles,
                                 in_plan<uint32_t>(buffers, batch.block_tiles), 0, batch.block_count, groups, from,
                                 repairs, as<TileState>(buffers.states), statuses, multiprocessors, nullptr),
                 "launching a network");
}

// Room for the plan and for what its kernels use beside it, which starts as zeros: sums, and tiles that are decoded.
Status upload(const BatchPlan& plan, size_t sum_items, Buffers& buffers) {
  std::vector<std::byte> bytes(plan.blob.size());
  NWC_RETURN_IF_ERROR(at_least(buffers.plan, bytes.size()));
  plan.blob.write(buffers.plan.data(), bytes.data());
  NWC_RETURN_IF_ERROR(
      checked(cudaMemcpy(buffers.plan.data(), bytes.data(), bytes.size(), cudaMemcpyHostToDevice), "copying a plan"));
  NWC_RETURN_IF_ERROR(at_least(buffers.repairs, plan.most_blocks * sizeof(uint32_t)));
  const auto zeros = [](DeviceMemory& memory, size_t size) -> Status {
    NWC_RETURN_IF_ERROR(at_least(memory, size));
    return checked(cudaMemsetAsync(memory.data(), 0, size, nullptr), "quantising");
  };
  NWC_RETURN_IF_ERROR(zeros(buffers.states, plan.most_tiles * sizeof(TileState)));
  static_assert(kTileDecoded == 0);
  NWC_RETURN_IF_ERROR(zeros(buffers.statuses, plan.most_tiles * sizeof(uint32_t)));
  return zeros(buffers.sums, sum_items * kSums * sizeof(double));
}

}  // namespace

Result<std::vector<double>> quantise_any(QuantiserTask& task, std::span<const uint32_t> order,
                                         std::span<const uint8_t> levels, const CodecOnDevice& codec,
                                         int multiprocessors, Buffers& buffers) {
  const uint64_t n = task.matrix.columns;
  const uint32_t block_size = task.order != nullptr ? task.block_size : 0;
  const size_t floats = batch_buffer_floats(n, task.slots, block_size, codec.levels);
  for (DeviceMemory* buffer :
       {&buffers.targets, &buffers.originals, &buffers.chunks, &buffers.latents, &buffers.decoded}) {
    NWC_RETURN_IF_ERROR(at_least(*buffer, floats * sizeof(float)));
  }
  const BatchBuffers at{as<float>(buffers.targets), as<float>(buffers.originals), as<float>(buffers.chunks),
                        as<float>(buffers.latents), as<float>(buffers.decoded)};
  const BatchPlan plan = plan_batches(n, task.slots, block_size, order, levels, codec.levels, at.latents, at.decoded);
  const size_t sum_items = finish_items(task.slots, plan.most_columns);
  NWC_RETURN_IF_ERROR(upload(plan, sum_items, buffers));
  task.sums = as<double>(buffers.sums);
  for (const PlannedBatch& planned : plan.batches) {
    const Batch batch{planned.begin, planned.end, in_plan<uint64_t>(buffers, planned.at),
                      in_plan<uint32_t>(buffers, planned.stride)};
    NWC_RETURN_IF_ERROR(checked(gather_targets(task, batch, at, nullptr), "gathering weights"));
    NWC_RETURN_IF_ERROR(apply(codec.analysis, planned, planned.analysis_groups, at.chunks, at.latents, floats,
                              multiprocessors, buffers));
    NWC_RETURN_IF_ERROR(checked(round_latents(task, batch, codec.centers, at.latents, nullptr), "rounding"));
    NWC_RETURN_IF_ERROR(apply(codec.synthesis, planned, planned.synthesis_groups, at.latents, at.decoded, floats,
                              multiprocessors, buffers));
    NWC_RETURN_IF_ERROR(checked(finish_columns(task, batch, codec.thresholds, at, nullptr), "finishing columns"));
  }
  return read_sums(buffers, sum_items);
}

}  // namespace nwc::cuda
