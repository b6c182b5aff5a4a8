#include "report/report.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <tuple>

#include "base/file.h"
#include "checkpoint/checkpoint_path.h"
#include "decode/weight_store.h"
#include "format/tiling.h"
#include "guide/hessian_store.h"
#include "guide/sensitivity.h"
#include "nwcodec/inspect.h"
#include "nwcodec/version.h"
#include "quantise/rounding_errors.h"
#include "report/figures.h"
#include "report/measure.h"
#include "report/report_html.h"
#include "report/report_json.h"
#include "study/model_tensors.h"
#include "tensor/encode_options.h"
#include "weights/selection.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

// The types of two towers' layers are the same: puts the name of the tower before the type.
void name_towers(std::vector<ReportedTensor>& tensors) {
  const auto tower_of = [](const ReportedTensor& t) {
    return t.depth < 0 ? std::string() : t.record.name.substr(0, t.record.name.find('.'));
  };
  std::set<std::string> towers;
  for (const ReportedTensor& t : tensors) {
    if (t.depth >= 0) towers.insert(tower_of(t));
  }
  if (towers.size() < 2) return;
  for (ReportedTensor& t : tensors) {
    if (t.depth >= 0) t.type = tower_of(t) + " " + t.type;
  }
}

struct Sums {
  double error = 0, weight = 0, weighted_error = 0, weighted_weight = 0;
};

class Measurer {
 public:
  Measurer(const Checkpoint& original, const Selection& selection, const WeightStore& store,
           const HessianStore* hessians, int threads)
      : original_(original), selection_(selection), store_(store), hessians_(hessians), threads_(threads) {}

  Result<ReportedTensor> measure(const TensorReport& inspected, Sums& sums) const {
    const Checkpoint::Location source = original_.find(inspected.name);
    if (source.tensor == nullptr || source.tensor->shape != inspected.shape || !is_weight_dtype(source.tensor->dtype)) {
      return Error(ErrorCode::kMismatch, "is not in the original, or has another shape there")
          .in_file(original_.directory().string())
          .in_tensor(inspected.name)
          .remedy("report on a compressed checkpoint with the model that it was made from");
    }
    NWC_ASSIGN_OR_RETURN(const WeightMatrix weights,
                         WeightMatrix::load(*source.tensor, selection_.stored_transposed(*source.tensor), threads_));
    const StoredWeight& stored = store_.weights().at(inspected.name);
    NWC_ASSIGN_OR_RETURN(const TensorDecoder decoder, store_.open_stream(stored));
    std::optional<StoredHessian> hessian;
    if (hessians_ != nullptr) {
      Result<StoredHessian> found = hessians_->find(*source.tensor);
      if (!found && found.error().code() != ErrorCode::kNotFound) return std::move(found).error();
      if (found) hessian = *std::move(found);
    }
    NWC_ASSIGN_OR_RETURN(std::optional<FeltTensor> felt, felt_of(decoder, *stored.scales));
    std::optional<FeltError> form;
    if (felt && hessian) {
      NWC_ASSIGN_OR_RETURN(form, FeltError::of(*hessians_, *source.tensor, weights));
    }
    Result<TensorMeasures> measured =
        measure_tensor(weights, decoder, hessian ? &*hessian : nullptr, threads_, form ? &*form : nullptr);
    if (!measured) return store_.locate(std::move(measured).error(), stored, *stored.stream);
    source.shard->release(*source.tensor);
    store_.checkpoint().shards()[stored.shard].release(*stored.stream);

    const TensorPlace place = TensorPlace::of(inspected.name);
    ReportedTensor line{.record = {inspected}, .type = place.type, .depth = place.depth};
    TensorRecord::Measured& shown = line.record.measured.emplace();
    shown.nmse = measured->squared_weight > 0 ? measured->squared_error / measured->squared_weight : 0.0;
    if (measured->weighted_weight > 0) shown.hessian_error = measured->weighted_error / measured->weighted_weight;
    for (size_t k = 0; k < measured->column_error.size(); ++k) {
      const double weight = measured->column_weight[k];
      const double nmse = weight > 0 ? measured->column_error[k] / weight : std::numeric_limits<double>::quiet_NaN();
      line.column_error.push_back(static_cast<float>(nmse));
      if (weight > 0) shown.worst_column_nmse = std::max(shown.worst_column_nmse, nmse);
    }
    if (form) felt->divergence = measured->felt_error;
    line.felt = std::move(felt);
    if (hessian) line.diagonal = diagonal_of(*hessian, weights.matrices);
    shown.diagonal_error_correlation = diagonal_correlation(line);
    if (stored.levels != nullptr) {
      NWC_ASSIGN_OR_RETURN(line.levels, unpack_levels(stored.levels->bytes, weights.matrices * weights.columns,
                                                      store_.codec().parts().levels()));
    }
    sums.error += measured->squared_error;
    sums.weight += measured->squared_weight;
    sums.weighted_error += measured->weighted_error;
    sums.weighted_weight += measured->weighted_weight;
    return line;
  }

 private:
  // What a stream's line scales tell. What is expected of a table is the same in all streams.
  Result<std::optional<FeltTensor>> felt_of(const TensorDecoder& decoder, const TensorView& scales) const {
    if (decoder.contexts().scale_classes() == nullptr) return std::optional<FeltTensor>();
    if (rounding_errors_.empty()) {
      rounding_errors_ = rounding_errors(store_.codec().parts(), kCentreContext, gain_of(decoder, scales.bytes),
                                         best_rate_weight(store_.codec().parts().trellis ? 1 : 0));
    }
    return felt_tensor_of(decoder, rounding_errors_);
  }

  static std::vector<float> diagonal_of(const StoredHessian& hessian, uint64_t matrices) {
    std::vector<float> diagonal;
    const std::vector<HessianView> views = hessian.views();
    for (uint64_t m = 0; m < matrices; ++m) {
      const HessianView& view = views[views.size() == 1 ? 0 : m];
      for (uint64_t k = 0; k < view.columns; ++k) diagonal.push_back(view.triangle[k * (k + 1) / 2 + k]);
    }
    return diagonal;
  }

  const Checkpoint& original_;
  const Selection& selection_;
  const WeightStore& store_;
  const HessianStore* hessians_;
  int threads_;
  mutable std::vector<double> rounding_errors_;  // of the tables, once they are asked for
};

}  // namespace

Result<CompressionReport> make_report(const ReportOptions& options, const CompressReport& run,
                                      const Progress& progress) {
  CompressionReport report{.version = NWCODEC_VERSION_STRING,
                           .model = directory_name(options.model),
                           .codec = run.codec.filename().string(),
                           .gain = run.gain,
                           .options = options.options};
  report.stages = run.stages;
  report.warnings = run.warnings;
  StageClock clock(report.stages);
  clock.begin("measuring");
  NWC_ASSIGN_OR_RETURN(const ModelKind kind, ModelKind::read(options.model));
  report.model_type = kind.type;
  NWC_ASSIGN_OR_RETURN(const Selection selection, Selection::make({}, kind));
  NWC_ASSIGN_OR_RETURN(const Checkpoint original, Checkpoint::open(options.model));
  NWC_ASSIGN_OR_RETURN(const CheckpointReport inspected, inspect_checkpoint(options.compressed, false));
  NWC_ASSIGN_OR_RETURN(const WeightStore store, WeightStore::open(options.compressed));
  std::optional<HessianStore> hessians;
  if (!options.hessians.empty()) {
    NWC_ASSIGN_OR_RETURN(hessians, HessianStore::open(options.hessians));
  }
  report.weights = inspected.weights;
  report.payload_bits = inspected.payload_bits_per_weight();
  report.bits = inspected.bits_per_weight();
  report.plain_parameters = inspected.plain_parameters;
  report.input_bytes = inspected.original_bytes;
  report.output_bytes = inspected.file_bytes;

  std::map<std::string, const TensorRecord*> compressed_now;
  for (const TensorRecord& t : run.tensors) compressed_now.emplace(t.name, &t);
  const Measurer measurer(original, selection, store, hessians ? &*hessians : nullptr, options.threads);
  Sums sums;
  uint64_t done = 0;
  for (const TensorReport& tensor : inspected.tensors) {
    NWC_RETURN_IF_ERROR(progress.check_stop());
    progress.at(done, inspected.weights, "measuring");
    done += tensor.weights;
    NWC_ASSIGN_OR_RETURN(ReportedTensor line, measurer.measure(tensor, sums));
    if (const auto found = compressed_now.find(tensor.name); found != compressed_now.end())
      line.record.encoding = found->second->encoding;
    report.tensors.push_back(std::move(line));
  }
  report.nmse = sums.weight > 0 ? sums.error / sums.weight : 0.0;
  if (sums.weighted_weight > 0) report.hessian_error = sums.weighted_error / sums.weighted_weight;
  name_towers(report.tensors);
  std::sort(report.tensors.begin(), report.tensors.end(), [](const ReportedTensor& a, const ReportedTensor& b) {
    return std::tie(a.depth, a.record.name) < std::tie(b.depth, b.record.name);
  });
  clock.end();
  progress.at(inspected.weights, inspected.weights, "done");
  return report;
}

Status write_report(const CompressionReport& report, const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return Error(ErrorCode::kIo, "cannot be created: " + error.message()).in_file(directory.string());
  NWC_RETURN_IF_ERROR(write_file(directory / kReportJson, report_json(report)));
  return write_file(directory / kReportHtml, report_html(report));
}

}  // namespace nwc
