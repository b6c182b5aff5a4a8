#include "study/tensor_study.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "base/parallel.h"
#include "baselines/ecsq.h"
#include "baselines/samples.h"
#include "nwcodec/inspect.h"
#include "nwcodec/weights.h"
#include "study/model_tensors.h"
#include "study/output/csv.h"
#include "study/output/depth_panel.h"
#include "weights/normalisation.h"

namespace nwc {
namespace {

constexpr uint64_t kEcsqWeights = uint64_t{1} << 24;

struct ErrorSums {
  uint64_t weights = 0;
  double error = 0, power = 0, largest = 0;  // of normalised weights
};

ErrorSums compare(const WeightMatrix& original, const WeightScales& scales, std::span<const float> decoded,
                  int threads) {
  std::vector<ErrorSums> sums(original.matrices * original.rows);  // one per row: rows are contiguous in most tensors
  parallel_for_or_throw(sums.size(), threads, [&](size_t item, int) {
    const uint64_t matrix = item / original.rows, row = item % original.rows;
    for (uint64_t c = 0; c < original.columns; ++c) {
      const double scale = scales.columns[matrix * original.columns + c];
      if (scale == 0) continue;
      const uint64_t index = original.index_of(matrix, row, c);
      const double x = original.at(index), d = std::abs(decoded[index] - x) / scale;
      ++sums[item].weights;
      sums[item].error += d * d;
      sums[item].power += x * x / (scale * scale);
      sums[item].largest = std::max(sums[item].largest, d);
    }
  });
  ErrorSums total;
  for (const ErrorSums& s : sums) {
    total.weights += s.weights;
    total.error += s.error;
    total.power += s.power;
    total.largest = std::max(total.largest, s.largest);
  }
  return total;
}

PlotPanel panel_of(const TensorStudyReport& report, const std::string& title, const std::string& y_label,
                   const std::function<double(const TensorQuality&)>& value) {
  std::vector<DepthValue> values;
  for (const TensorQuality& t : report.tensors) values.push_back({t.type, t.depth, value(t)});
  return depth_panel(title, y_label, values);
}

}  // namespace

double TensorQuality::over_ecsq() const { return decibels(nmse / ecsq_nmse); }
double TensorQuality::over_ecsq_centroid() const { return decibels(nmse / ecsq_centroid_nmse); }
double TensorQuality::gap() const { return gap_decibels({payload_bits, nmse}); }

Result<TensorStudyReport> run_tensor_study(const TensorStudyOptions& options, const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(const CheckpointReport inspected, inspect_checkpoint(options.compressed, false));
  NWC_ASSIGN_OR_RETURN(const Weights weights, Weights::open(options.compressed));
  // Whatever was compressed, by default or by --include.
  NWC_ASSIGN_OR_RETURN(const ModelTensors model, ModelTensors::open(options.model, {.include = {""}}));
  std::map<std::string, const TensorReport*> compressed;
  for (const TensorReport& t : inspected.tensors) compressed.emplace(t.name, &t);

  TensorStudyReport report;
  uint64_t done = 0;
  std::vector<float> decoded;
  for (const ModelTensors::Tensor& tensor : model.list()) {
    const auto found = compressed.find(tensor.weights.name);
    if (found == compressed.end()) continue;
    const TensorReport& stored = *found->second;
    compressed.erase(found);
    NWC_RETURN_IF_ERROR(progress.check_stop());
    progress.at(done, inspected.weights, tensor.weights.name);
    done += stored.weights;
    if (stored.shape != tensor.shape || stored.dtype != tensor.weights.dtype) {
      return Error(ErrorCode::kMismatch, "has another shape or type than in " + options.compressed.string())
          .in_file(tensor.file)
          .in_tensor(tensor.weights.name)
          .remedy("compare a compressed checkpoint with the model that it was made from");
    }
    Result<WeightScales> scales = weight_scales(tensor.weights, {}, {}, options.threads);
    if (!scales) return std::move(scales).error().in_file(tensor.file);
    decoded.resize(tensor.weights.elements());
    NWC_RETURN_IF_ERROR(
        weights.read(tensor.weights.name, DType::kF32, std::as_writable_bytes(std::span(decoded)), options.threads));
    const ErrorSums sums = compare(tensor.weights, *scales, decoded, options.threads);

    TensorQuality quality{tensor.weights.name,
                          tensor.place.type,
                          tensor.place.depth,
                          tensor.shape,
                          sums.weights,
                          stored.payload_bits_per_weight(),
                          stored.bits_per_weight()};
    quality.nmse = sums.error / sums.power;
    quality.largest_error = sums.largest / std::sqrt(12 * sums.error / static_cast<double>(sums.weights));
    if (sums.power > 0 && quality.payload_bits > 0) {
      NWC_ASSIGN_OR_RETURN(
          const Samples samples,
          normalised_samples(tensor.weights, {.columns = std::max<uint64_t>(1, kEcsqWeights / tensor.weights.rows)},
                             options.threads));
      const SortedSource sorted(samples.values);
      quality.ecsq_nmse = fit_uniform(sorted, quality.payload_bits, Reconstruction::kMidpoint).point.nmse;
      quality.ecsq_centroid_nmse = fit_uniform(sorted, quality.payload_bits, Reconstruction::kCentroid).point.nmse;
    }
    report.tensors.push_back(std::move(quality));
    ModelTensors::release(tensor);
  }
  if (!compressed.empty()) {
    return Error(ErrorCode::kMismatch,
                 "is in " + options.compressed.string() + " but not among the weights of this model")
        .in_file(options.model.string())
        .in_tensor(compressed.begin()->first)
        .remedy("compare a compressed checkpoint with the model that it was made from");
  }
  progress.at(inspected.weights, inspected.weights, "done");
  return report;
}

std::string tensor_study_csv(const TensorStudyReport& report) {
  std::vector<std::vector<std::string>> rows{{"tensor", "block", "type", "shape", "weights", "payload_bits", "bits",
                                              "nmse", "nmse_db", "ecsq_nmse", "db_over_ecsq", "ecsq_centroid_nmse",
                                              "db_over_ecsq_centroid", "gap_to_gaussian_bound_db",
                                              "largest_error_steps"}};
  for (const TensorQuality& t : report.tensors) {
    rows.push_back({t.name, std::to_string(t.depth), t.type, csv_shape(t.shape), std::to_string(t.weights),
                    csv_number(t.payload_bits), csv_number(t.bits), csv_number(t.nmse), csv_number(decibels(t.nmse)),
                    csv_number(t.ecsq_nmse), csv_number(t.over_ecsq()), csv_number(t.ecsq_centroid_nmse),
                    csv_number(t.over_ecsq_centroid()), csv_number(t.gap()), csv_number(t.largest_error)});
  }
  return format_csv(rows);
}

std::string tensor_study_svg(const TensorStudyReport& report) {
  return render_svg(
      "Compressed tensors",
      {panel_of(report, "error over ideal entropy-coded scalar quantisation", "dB at equal payload bits",
                [](const TensorQuality& t) { return t.over_ecsq(); }),
       panel_of(report, "largest error of a weight", "steps", [](const TensorQuality& t) { return t.largest_error; }),
       panel_of(report, "gap to the Gaussian bound", "dB", [](const TensorQuality& t) { return t.gap(); }),
       panel_of(report, "payload", "bits per weight", [](const TensorQuality& t) { return t.payload_bits; })},
      2);
}

}  // namespace nwc
