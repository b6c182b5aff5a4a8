#include "cuda/encode/quantiser.h"

#include "cuda/encode/device_weights.h"
#include "cuda/encode/matrix_quantiser.h"
#include "cuda/encode/patches.h"
#include "cuda/encode/symbols.h"
#include "guide/block_ldl.h"
#include "quantise/encode_job.h"

namespace nwc::cuda {
namespace {

class CudaQuantiser : public DeviceQuantiser {
 public:
  CudaQuantiser(CodecOnDevice codec, int device, int multiprocessors)
      : codec_(std::move(codec)), device_(device), multiprocessors_(multiprocessors) {}

  bool exact() const override {
    return codec_.small.has_value() || (codec_.analysis.wide == nullptr && codec_.synthesis.wide == nullptr);
  }

  Result<std::unique_ptr<const DeviceSymbols>> quantise(const EncodeJob& job, std::span<const StripeRange> ranges,
                                                        bool along_rows) const override {
    NWC_RETURN_IF_ERROR(checked(cudaSetDevice(device_), "choosing a device"));
    NWC_ASSIGN_OR_RETURN(const DeviceBuffer weights, weights_of(job));
    const uint64_t rows = job.weights.rows, columns = job.weights.columns;
    NWC_ASSIGN_OR_RETURN(const float* const scales, put(buffers_.scales, std::span<const float>(job.scales.columns)));
    NWC_ASSIGN_OR_RETURN(const float* const factors, put(buffers_.factors, std::span<const float>(job.scales.rows)));
    NWC_ASSIGN_OR_RETURN(const uint8_t* const levels, put(buffers_.levels, std::span<const uint8_t>(job.guide.levels)));
    LineClasses classes{};
    if (const ScaleClasses* const own = job.contexts.scale_classes()) {
      NWC_ASSIGN_OR_RETURN(classes.columns, put(buffers_.column_classes, own->of_columns()));
      NWC_ASSIGN_OR_RETURN(classes.rows, put(buffers_.row_classes, own->of_rows()));
      classes.rows_of_matrix = rows;
      classes.odd = job.contexts.odd();
      const auto tables = static_cast<int32_t>(job.encoder.codec().parts().tables.set.size());
      classes.last = (classes.odd > 0 ? classes.odd : tables) - 1;
    } else if (!job.contexts.shared()) {
      return Error(ErrorCode::kUnsupported, "GPUs do not encode by this table rule").remedy("compress on the cores");
    }
    uint64_t all_slots = 0;
    for (const StripeRange& range : ranges) all_slots += range.count;
    NWC_RETURN_IF_ERROR(at_least(buffers_.symbols, all_slots * job.chunk_length * columns * sizeof(int32_t)));
    Quantised quantised;
    uint64_t slots = 0;
    for (size_t begin = 0; begin < ranges.size();) {
      size_t end = begin;
      while (end < ranges.size() && ranges[end].matrix == ranges[begin].matrix) ++end;
      const uint64_t matrix = ranges[begin].matrix;
      QuantiserTask task{};
      task.matrix = matrix_view(job.weights, weights.as<const void>(), matrix);
      task.scales = scales + matrix * columns;
      if (factors != nullptr) task.factors = factors + matrix * rows;
      if (levels != nullptr) task.levels = levels + matrix * columns;
      task.symbols = as<int32_t>(buffers_.symbols) + slots * job.chunk_length * columns;
      LineClasses own = classes;
      if (own.columns != nullptr) own.columns += matrix * columns, own.rows += matrix * rows;
      NWC_RETURN_IF_ERROR(
          quantise_matrix(task, own, job, matrix, ranges.subspan(begin, end - begin), along_rows, slots, quantised));
      slots += task.slots;
      begin = end;
    }
    quantised.statistics.patches = quantised.patches.size();
    return std::unique_ptr<const DeviceSymbols>(std::make_unique<CudaSymbols>(job, buffers_, std::move(quantised)));
  }

 private:
  static Result<DeviceBuffer> weights_of(const EncodeJob& job) {
    if (job.device_weights != nullptr) return job.device_weights->values();
    NWC_ASSIGN_OR_RETURN(DeviceMemory values, device_copy(job.weights.bytes));
    return shared(std::move(values));
  }

  Status set_feedback(QuantiserTask& task, const FeedbackFactor& factor, uint64_t chunk) const {
    const auto* const there = std::get_if<DeviceCoefficients>(&factor.coefficients);
    if (there == nullptr) return Error(ErrorCode::kInternal, "factors are not on the encoder's device");
    task.order = there->order.as<const uint32_t>();
    task.coefficients = there->coefficients.as<const float>();
    task.pivots = there->pivots.as<const double>();
    task.stride = there->stride;
    task.block_size = factor.block_size;
    NWC_RETURN_IF_ERROR(at_least(buffers_.errors, task.slots * task.matrix.columns * chunk * sizeof(float)));
    task.errors = as<float>(buffers_.errors);
    return {};
  }

  // Adds what becomes of the ranges, which are all of this matrix; `before`: slots of the matrices before.
  Status quantise_matrix(QuantiserTask& task, const LineClasses& classes, const EncodeJob& job, uint64_t matrix,
                         std::span<const StripeRange> ranges, bool along_rows, uint64_t before,
                         Quantised& quantised) const {
    std::vector<uint32_t> stripes;
    for (const StripeRange& range : ranges) {
      for (uint64_t i = 0; i < range.count; ++i) stripes.push_back(static_cast<uint32_t>(range.first + i));
    }
    task.slots = static_cast<uint32_t>(stripes.size());
    NWC_ASSIGN_OR_RETURN(task.stripes, put(buffers_.stripes, std::span<const uint32_t>(stripes)));
    std::span<const uint32_t> order;
    if (!job.guide.feedback.empty()) {
      order = job.guide.feedback[matrix]->order;
      NWC_RETURN_IF_ERROR(set_feedback(task, *job.guide.feedback[matrix], job.chunk_length));
    }
    const FeedbackFactor* const rows =
        along_rows && !job.guide.row_feedback.empty() ? job.guide.row_feedback[matrix].get() : nullptr;
    const ColumnRounding* const rounding = classes.columns != nullptr ? job.quantiser.one_by_one() : nullptr;
    NWC_ASSIGN_OR_RETURN(PatchesAndSums found, collect_patches(task, buffers_, [&] {
                           return rounding != nullptr
                                      ? quantise_plain(task, classes, job.chunk_length, *rounding, rows, buffers_)
                                  : codec_.small ? quantise_small(task, codec_, multiprocessors_, buffers_)
                                                 : quantise_any(task, order, job.levels_of_matrix(matrix), codec_,
                                                                multiprocessors_, buffers_);
                         }));
    for (FoundPatch& patch : found.patches) patch.stripe += static_cast<uint32_t>(before);
    quantised.patches.insert(quantised.patches.end(), found.patches.begin(), found.patches.end());
    quantised.parts.push_back({matrix, std::move(stripes), classes});
    add_sums(found.sums, quantised.statistics);
    return {};
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
