#include "cuda/encode/quantiser.h"

#include <algorithm>
#include <tuple>

#include "cuda/decode/kernels.h"
#include "cuda/support/buffers.h"
#include "cuda/encode/codec_on_device.h"
#include "cuda/encode/device_tensors.h"
#include "cuda/encode/passes_plan.h"
#include "cuda/encode/symbols.h"
#include "quantise/tile_analysis.h"

namespace nwc::cuda {
namespace {

constexpr uint64_t kComponents = 16;

class CudaQuantiser : public DeviceQuantiser {
 public:
  CudaQuantiser(CodecOnDevice codec, int device, int multiprocessors)
      : codec_(std::move(codec)), device_(device), multiprocessors_(multiprocessors) {}

  bool exact() const override {
    return codec_.small.has_value() || (codec_.analysis.wide == nullptr && codec_.synthesis.wide == nullptr);
  }

  Result<std::unique_ptr<const DeviceSymbols>> quantise(const EncodeJob& job,
                                                        std::span<const StripeRange> ranges) const override {
    NWC_RETURN_IF_ERROR(checked(cudaSetDevice(device_), "choosing a device"));
    auto weights = std::dynamic_pointer_cast<const CudaWeightMatrix>(job.weights.on_device);
    if (weights == nullptr) {
      NWC_ASSIGN_OR_RETURN(weights, CudaWeightMatrix::of(job.weights));
    }
    NWC_ASSIGN_OR_RETURN(const float* const scales, put(buffers_.scales, std::span<const float>(job.scales.columns)));
    NWC_ASSIGN_OR_RETURN(const float* const factors, put(buffers_.factors, std::span<const float>(job.scales.rows)));
    NWC_ASSIGN_OR_RETURN(const uint8_t* const levels, put(buffers_.levels, std::span<const uint8_t>(job.guide.levels)));
    uint64_t all_slots = 0;
    for (const StripeRange& range : ranges) all_slots += range.count;
    NWC_RETURN_IF_ERROR(at_least(buffers_.symbols, all_slots * kComponents * job.weights.columns * sizeof(int32_t)));
    Quantised quantised;
    uint64_t slots = 0;
    for (size_t begin = 0; begin < ranges.size();) {
      size_t end = begin;
      while (end < ranges.size() && ranges[end].matrix == ranges[begin].matrix) ++end;
      const uint64_t matrix = ranges[begin].matrix, rows = job.weights.rows, columns = job.weights.columns;
      QuantiserTask task{};
      task.matrix = weights->view(matrix);
      task.scales = scales + matrix * columns;
      if (factors != nullptr) task.factors = factors + matrix * rows;
      if (levels != nullptr) task.levels = levels + matrix * columns;
      task.symbols = as<int32_t>(buffers_.symbols) + slots * kComponents * columns;
      NWC_RETURN_IF_ERROR(quantise_matrix(task, job, matrix, ranges.subspan(begin, end - begin), slots, quantised));
      slots += task.slots;
      begin = end;
    }
    quantised.statistics.patches = quantised.patches.size();
    return std::unique_ptr<const DeviceSymbols>(std::make_unique<CudaSymbols>(job, buffers_, std::move(quantised)));
  }

 private:
  // Adds what becomes of the ranges, which are all of this matrix; `before`: slots of the matrices before.
  Status quantise_matrix(QuantiserTask& task, const EncodeJob& job, uint64_t matrix,
                         std::span<const StripeRange> ranges, uint64_t before, Quantised& quantised) const {
    const uint64_t n = job.weights.columns;
    std::vector<uint32_t> stripes;
    for (const StripeRange& range : ranges) {
      for (uint64_t i = 0; i < range.count; ++i) stripes.push_back(static_cast<uint32_t>(range.first + i));
    }
    task.slots = static_cast<uint32_t>(stripes.size());
    NWC_ASSIGN_OR_RETURN(task.stripes, put(buffers_.stripes, std::span<const uint32_t>(stripes)));
    if (!job.guide.feedback.empty()) {
      const FeedbackFactor& factor = *job.guide.feedback[matrix];
      const auto* const there = dynamic_cast<const CudaFactor*>(factor.on_device.get());
      if (there == nullptr) return Error(ErrorCode::kInternal, "factors are not on the encoder's device");
      task.order = as<const uint32_t>(there->order);
      task.coefficients = as<const float>(there->coefficients);
      task.pivots = as<const double>(there->pivots);
      task.stride = there->stride;
      task.block_size = factor.block_size;
      NWC_RETURN_IF_ERROR(at_least(buffers_.errors, stripes.size() * n * kComponents * sizeof(float)));
      task.errors = as<float>(buffers_.errors);
    }
    NWC_RETURN_IF_ERROR(at_least(buffers_.patch_count, sizeof(uint32_t)));
    task.patch_count = as<uint32_t>(buffers_.patch_count);

    uint32_t found = 0;
    std::vector<double> sums;
    // Patches are rare. Where there are more than expected, all is done again with room for them.
    for (uint64_t room = std::max<uint64_t>(1024, stripes.size() * n / 16);; room = found) {
      NWC_RETURN_IF_ERROR(at_least(buffers_.patches, room * sizeof(FoundPatch)));
      task.patches = as<FoundPatch>(buffers_.patches);
      task.patch_capacity = static_cast<uint32_t>(room);
      NWC_RETURN_IF_ERROR(checked(cudaMemset(task.patch_count, 0, sizeof found), "quantising"));
      NWC_ASSIGN_OR_RETURN(sums, codec_.small ? run_small(task) : run_passes(task, job, matrix));
      NWC_RETURN_IF_ERROR(
          checked(cudaMemcpy(&found, task.patch_count, sizeof found, cudaMemcpyDeviceToHost), "quantising"));
      if (found <= room) break;
    }
    std::vector<FoundPatch> patches(found);
    NWC_RETURN_IF_ERROR(
        checked(cudaMemcpy(patches.data(), task.patches, patches.size() * sizeof(FoundPatch), cudaMemcpyDeviceToHost),
                "copying patches"));
    // Found in any order.
    std::sort(patches.begin(), patches.end(), [](const FoundPatch& a, const FoundPatch& b) {
      return std::tie(a.stripe, a.column, a.row) < std::tie(b.stripe, b.column, b.row);
    });
    for (FoundPatch& patch : patches) patch.stripe += static_cast<uint32_t>(before);
    quantised.patches.insert(quantised.patches.end(), patches.begin(), patches.end());
    quantised.parts.push_back({matrix, task.slots});
    EncodeStatistics& total = quantised.statistics;
    for (size_t i = 0; i + kSums <= sums.size(); i += kSums) {
      total.squared_error += sums[i];
      total.normalised_squared_error += sums[i + 1];
      total.squared_weight += sums[i + 2];
      total.weighted_error += sums[i + 3];
    }
    return {};
  }

  Result<std::vector<double>> read_sums(size_t items) const {
    std::vector<double> sums(items * kSums);
    NWC_RETURN_IF_ERROR(
        checked(cudaMemcpy(sums.data(), buffers_.sums.data(), sums.size() * sizeof(double), cudaMemcpyDeviceToHost),
                "quantising"));
    return sums;
  }

  Result<std::vector<double>> run_small(QuantiserTask& task) const {
    const uint32_t items = small_codec_items(task, multiprocessors_);
    NWC_RETURN_IF_ERROR(at_least(buffers_.sums, items * kSums * sizeof(double)));
    task.sums = as<double>(buffers_.sums);
    NWC_RETURN_IF_ERROR(checked(
        quantise_small_codec(task, *codec_.small, codec_.small_image, multiprocessors_, codec_.shared_room, nullptr),
        "quantising"));
    return read_sums(items);
  }

  Result<std::vector<double>> run_passes(QuantiserTask& task, const EncodeJob& job, uint64_t matrix) const {
    const uint64_t n = job.weights.columns;
    const uint32_t block_size = task.order != nullptr ? task.block_size : 0;
    const size_t floats = passes_buffer_floats(n, task.slots, block_size, codec_.levels);
    for (DeviceMemory* buffer :
         {&buffers_.targets, &buffers_.originals, &buffers_.chunks, &buffers_.latents, &buffers_.decoded}) {
      NWC_RETURN_IF_ERROR(at_least(*buffer, floats * sizeof(float)));
    }
    const BatchBuffers buffers{as<float>(buffers_.targets), as<float>(buffers_.originals), as<float>(buffers_.chunks),
                               as<float>(buffers_.latents), as<float>(buffers_.decoded)};
    const std::span<const uint32_t> order = task.order != nullptr
                                                ? std::span<const uint32_t>(job.guide.feedback[matrix]->order)
                                                : std::span<const uint32_t>();
    const PassesPlan plan = plan_passes(n, task.slots, block_size, order, job.levels_of_matrix(matrix), codec_.levels,
                                        buffers.latents, buffers.decoded);
    std::vector<std::byte> bytes(plan.blob.size());
    NWC_RETURN_IF_ERROR(at_least(buffers_.plan, bytes.size()));
    plan.blob.write(buffers_.plan.data(), bytes.data());
    NWC_RETURN_IF_ERROR(checked(cudaMemcpy(buffers_.plan.data(), bytes.data(), bytes.size(), cudaMemcpyHostToDevice),
                                "copying a plan"));
    NWC_RETURN_IF_ERROR(at_least(buffers_.states, plan.most_tiles * sizeof(TileState)));
    NWC_RETURN_IF_ERROR(at_least(buffers_.statuses, plan.most_tiles * sizeof(uint32_t)));
    NWC_RETURN_IF_ERROR(at_least(buffers_.repairs, plan.most_blocks * sizeof(uint32_t)));
    NWC_RETURN_IF_ERROR(checked(
        cudaMemsetAsync(buffers_.states.data(), 0, plan.most_tiles * sizeof(TileState), nullptr), "quantising"));
    static_assert(kTileDecoded == 0);
    NWC_RETURN_IF_ERROR(checked(
        cudaMemsetAsync(buffers_.statuses.data(), 0, plan.most_tiles * sizeof(uint32_t), nullptr), "quantising"));
    const size_t sum_items = finish_items(task.slots, plan.most_columns);
    NWC_RETURN_IF_ERROR(at_least(buffers_.sums, sum_items * kSums * sizeof(double)));
    task.sums = as<double>(buffers_.sums);
    NWC_RETURN_IF_ERROR(
        checked(cudaMemsetAsync(task.sums, 0, sum_items * kSums * sizeof(double), nullptr), "quantising"));

    for (const PlannedBatch& planned : plan.batches) {
      const Batch batch{planned.begin, planned.end, in_plan<uint64_t>(planned.at), in_plan<uint32_t>(planned.stride)};
      NWC_RETURN_IF_ERROR(checked(gather_targets(task, batch, buffers, nullptr), "gathering weights"));
      NWC_RETURN_IF_ERROR(
          apply(codec_.analysis, planned, planned.analysis_groups, buffers.chunks, buffers.latents, floats));
      NWC_RETURN_IF_ERROR(checked(round_latents(task, batch, codec_.centers, buffers.latents, nullptr), "rounding"));
      NWC_RETURN_IF_ERROR(
          apply(codec_.synthesis, planned, planned.synthesis_groups, buffers.latents, buffers.decoded, floats));
      NWC_RETURN_IF_ERROR(
          checked(finish_columns(task, batch, codec_.thresholds, buffers, nullptr), "finishing columns"));
    }
    return read_sums(sum_items);
  }

  template <class T>
  const T* in_plan(size_t offset) const {
    return reinterpret_cast<const T*>(buffers_.plan.bytes() + offset);
  }

  // A network on all chunks of a batch. What it gives that is not finite stays NaN.
  Status apply(const NetworkOnDevice& network, const PlannedBatch& batch, size_t groups_at, const float* from,
               float* to, size_t floats) const {
    const Tile* const tiles = in_plan<Tile>(batch.tiles);
    const Group* const groups = in_plan<Group>(groups_at);
    const auto* const statuses = as<const uint32_t>(buffers_.statuses);
    uint32_t* repairs = nullptr;
    NWC_RETURN_IF_ERROR(checked(cudaMemsetAsync(to, 0xFF, floats * sizeof(float), nullptr), "quantising"));
    if (network.wide != nullptr) {
      repairs = as<uint32_t>(buffers_.repairs);
      NWC_RETURN_IF_ERROR(
          checked(cudaMemsetAsync(repairs, 0, batch.block_count * sizeof(uint32_t), nullptr), "quantising"));
      const auto wide = network.wide_path == WidePath::kWgmma ? wide_synthesis : wide_synthesis_mma;
      NWC_RETURN_IF_ERROR(checked(wide(network.wide, tiles, in_plan<WideItem>(batch.items), batch.item_count, groups,
                                       from, repairs, statuses, multiprocessors_, nullptr),
                                  "launching a network"));
    }
    return checked(exact_synthesis(network.exact, network.width, network.outputs, network.inputs, tiles,
                                   in_plan<uint32_t>(batch.block_tiles), 0, batch.block_count, groups, from, repairs,
                                   as<TileState>(buffers_.states), statuses, multiprocessors_, nullptr),
                   "launching a network");
  }

  CodecOnDevice codec_;
  int device_, multiprocessors_;
  mutable Buffers buffers_;
};

}  // namespace

Result<std::shared_ptr<const DeviceQuantiser>> make_cuda_quantiser(const EncoderCodec& codec, int device) {
  int multiprocessors = 0;
  NWC_RETURN_IF_ERROR(
      checked(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device), "asking the device"));
  NWC_ASSIGN_OR_RETURN(CodecOnDevice on_device, CodecOnDevice::of(codec, device));
  return std::shared_ptr<const DeviceQuantiser>(
      std::make_shared<const CudaQuantiser>(std::move(on_device), device, multiprocessors));
}

}  // namespace nwc::cuda
