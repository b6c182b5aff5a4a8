#include "study/baseline_checkpoint.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/half.h"
#include "base/parallel.h"
#include "baselines/baseline.h"
#include "checkpoint/index.h"
#include "checkpoint/resumable_directory.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/side_files.h"
#include "compress/compress_plan.h"
#include "format/checkpoint_config.h"
#include "guide/guide_source.h"
#include "guide/hessian_store.h"
#include "nwcodec/weights.h"
#include "quantise/feedback.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kStripesTogether = 16;  // of a work item

// Weights are quantised as they are: a baseline has its own scales.
WeightScales unit_scales(const WeightMatrix& weights) {
  return {.columns = std::vector<float>(weights.matrices * weights.columns, 1.0f)};
}

void store_weight(const WeightMatrix& weights, uint64_t index, float value, std::vector<std::byte>& out) {
  switch (weights.dtype) {
    case DType::kF32: store_le(out.data() + 4 * index, value); break;
    case DType::kF16: store_le(out.data() + 2 * index, half_from_float(value)); break;
    default: store_le(out.data() + 2 * index, bf16_from_float(value)); break;
  }
}

// The tensor's new bytes, in its dtype and storage order.
std::vector<std::byte> quantise_tensor(const WeightMatrix& weights, const TensorGuide& guide, const Baseline& baseline,
                                       int threads, BaselineReport& report) {
  const WeightScales scales = unit_scales(weights);
  const uint64_t length = baseline.chunk_length(), stripes = (weights.rows + length - 1) / length;
  std::vector<StripeRange> ranges;
  for (uint64_t m = 0; m < weights.matrices && weights.elements() > 0; ++m) {
    for (uint64_t first = 0; first < stripes; first += kStripesTogether)
      ranges.push_back({m, first, std::min(kStripesTogether, stripes - first)});
  }
  std::vector<std::byte> bytes(weights.bytes.size());
  std::vector<QuantisedStripes> parts(ranges.size());
  parallel_for_or_throw(ranges.size(), threads, [&](size_t i, int) {
    const StripeRange& range = ranges[i];
    const FeedbackFactor* const factor = guide.feedback.empty() ? nullptr : guide.feedback[range.matrix].get();
    parts[i] = quantise_stripes({weights, scales, {}, factor, baseline}, range);
    const uint64_t first = range.first * length, rows = std::min(weights.rows - first, range.count * length);
    for (uint64_t r = 0; r < rows; ++r) {
      for (uint64_t k = 0; k < weights.columns; ++k) {
        store_weight(weights, weights.index_of(range.matrix, first + r, k), parts[i].decoded[r * weights.columns + k],
                     bytes);
      }
    }
    parts[i].decoded = {};
  });
  for (const QuantisedStripes& part : parts) {
    report.squared_error += part.squared_error;
    report.squared_weight += part.squared_weight;
    report.weighted_error += part.weighted_error;
  }
  report.weights += weights.elements();
  report.bits += baseline.stored_bits(weights);
  return bytes;
}

Status write_shard(const ShardPlan& shard, const fs::path& path, const Selection& selection, const GuideSource& guides,
                   const Baseline& baseline, int threads, const Progress& progress, BaselineReport& report) {
  std::vector<PlannedTensor> planned;
  for (const auto* tensors : {&shard.plain, &shard.compressed}) {
    for (const TensorView* tensor : *tensors) planned.push_back({tensor->name, tensor->dtype, tensor->shape});
  }
  NWC_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                       SafetensorsWriter::create(path, std::move(planned), {}, shard.file->metadata(), {}));
  for (const TensorView* tensor : shard.plain) {
    NWC_ASSIGN_OR_RETURN(const TensorValues values, values_of(*tensor, threads));
    NWC_RETURN_IF_ERROR(writer.write(tensor->name, 0, values.bytes));
  }
  for (const TensorView* tensor : shard.compressed) {
    NWC_RETURN_IF_ERROR(progress.check_stop());
    NWC_ASSIGN_OR_RETURN(const WeightMatrix weights,
                         WeightMatrix::load(*tensor, selection.stored_transposed(*tensor), threads));
    NWC_ASSIGN_OR_RETURN(const TensorGuide guide, guides.guide_of(*tensor, weights, LevelErrors(1, 1.0), nullptr));
    NWC_RETURN_IF_ERROR(writer.write(tensor->name, 0, quantise_tensor(weights, guide, baseline, threads, report)));
    shard.file->release(*tensor);
  }
  return writer.finish();
}

}  // namespace

Json to_json(const BaselineReport& report) {
  return {{"weights", report.weights},
          {"bits_per_weight", report.bits_per_weight()},
          {"relative_squared_error", report.squared_weight > 0 ? report.squared_error / report.squared_weight : 0.0},
          {"weighted_error", report.weighted_error},
          {"warnings", report.warnings}};
}

Result<BaselineReport> quantise_checkpoint(const BaselineOptions& options, const Progress& progress) {
  BaselineReport report;
  NWC_ASSIGN_OR_RETURN(const std::unique_ptr<const Baseline> baseline, make_baseline(options.method));
  NWC_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::open(options.model));
  NWC_ASSIGN_OR_RETURN(const ModelKind kind, ModelKind::read(options.model));
  NWC_ASSIGN_OR_RETURN(const Selection selection, Selection::make(options.selection, kind));
  NWC_ASSIGN_OR_RETURN(const CompressPlan plan,
                       make_plan(checkpoint, selection, /*keep_nonfinite=*/false, options.threads, progress));
  report.warnings = plan.warnings;
  std::optional<HessianStore> hessians;
  if (!options.hessians.empty()) {
    NWC_ASSIGN_OR_RETURN(hessians, HessianStore::open(options.hessians));
  }
  const GuideOptions guide_options{.levels = false, .sort_columns = options.sort_columns, .ldl = options.ldl};
  const GuideSource guides(hessians ? &*hessians : nullptr, guide_options, {}, options.threads);

  RunIdentity identity("study baseline");
  identity.add("method", options.method);
  NWC_ASSIGN_OR_RETURN(ResumableDirectory output,
                       ResumableDirectory::open({.path = options.output, .inputs = {options.model}}, identity));
  WeightMap weight_map;
  uint64_t total_size = 0, done = 0;
  for (const ShardPlan& shard : plan.shards) {
    const std::string name = shard.file->path().filename().string();
    progress.at(done++, plan.shards.size(), name);
    NWC_RETURN_IF_ERROR(write_shard(shard, options.output / name, selection, guides, *baseline,
                                    resolve_threads(options.threads), progress, report));
    for (const auto* tensors : {&shard.plain, &shard.compressed}) {
      for (const TensorView* tensor : *tensors) {
        weight_map.emplace(tensor->name, name);
        total_size += WeightInfo{{}, tensor->dtype, tensor->shape, false}.elements() * bits_of(tensor->dtype) / 8;
      }
    }
  }
  if (checkpoint.has_index()) NWC_RETURN_IF_ERROR(write_index(options.output, total_size, weight_map));
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> dropped,
                       copy_side_files(options.model, options.output, {"config.json"}));
  report.warnings.insert(report.warnings.end(), dropped.begin(), dropped.end());
  NWC_RETURN_IF_ERROR(
      write_decoded_config(options.model, options.output,
                           {.quantisation = checkpoint.decodes_quantised(), .float64 = checkpoint.narrows_f64()}));
  NWC_RETURN_IF_ERROR(output.finish());
  return report;
}

}  // namespace nwc
