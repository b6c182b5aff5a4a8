#include "study/statistics_study.h"

#include <algorithm>
#include <functional>

#include "baselines/dct.h"
#include "baselines/hadamard.h"
#include "baselines/rotation.h"
#include "codec/encode/encoder_codec.h"
#include "study/latents.h"
#include "study/model_tensors.h"
#include "study/output/csv.h"
#include "study/output/depth_panel.h"

namespace nwc {
namespace {

constexpr uint64_t kDctLength = 16;

void add_stages(const Samples& samples, const std::string& name, const std::string& prefix,
                const StatisticsOptions& options, std::vector<StageStatistics>& stages) {
  stages.push_back({name, moments_of(samples.values)});
  const auto transformed = [&](const char* stage, const std::function<void(Samples&)>& transform) {
    Samples copy = samples;
    transform(copy);
    stages.push_back({prefix + stage, moments_of(copy.values)});
  };
  transformed("dct", [](Samples& s) { dct_of_chunks(s, kDctLength); });
  transformed("rotation", [&](Samples& s) { random_rotation(s, options.seed, options.threads); });
  transformed("hadamard", [&](Samples& s) { hadamard_transform(s, options.seed); });
}

PlotPanel panel_of(const StatisticsReport& report, const std::string& title, const std::string& y_label,
                   const std::function<double(const TensorStatistics&)>& value) {
  std::vector<DepthValue> values;
  for (const TensorStatistics& t : report.tensors) values.push_back({t.type, t.depth, value(t)});
  return depth_panel(title, y_label, values);
}

}  // namespace

const Moments& TensorStatistics::at(const std::string& stage) const {
  return std::find_if(stages.begin(), stages.end(), [&](const StageStatistics& s) { return s.stage == stage; })
      ->moments;
}

Result<StatisticsReport> run_statistics_study(const StatisticsOptions& options, const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(const EncoderCodec codec, read_encoder_codec(options.codec));
  NWC_ASSIGN_OR_RETURN(const ModelTensors model, ModelTensors::open(options.model, options.selection));
  uint64_t done = 0, total = 0;
  for (const ModelTensors::Tensor& tensor : model.list()) total += tensor.weights.elements();
  StatisticsReport report;
  for (const ModelTensors::Tensor& tensor : model.list()) {
    NWC_RETURN_IF_ERROR(progress.check_stop());
    progress.at(done, total, tensor.weights.name);
    done += tensor.weights.elements();
    const SampleLimits limits{.rows = options.rows};
    // First, because it finds weights that are not finite.
    Result<Samples> normalised = normalised_samples(tensor.weights, limits, options.threads);
    if (!normalised) return std::move(normalised).error().in_file(tensor.file);
    TensorStatistics statistics{tensor.weights.name, tensor.place.type, tensor.place.depth,
                                tensor.shape,        normalised->rows,  {}};
    add_stages(raw_samples(tensor.weights, limits), "original", "", options, statistics.stages);
    add_stages(*normalised, "normalised", "normalised-", options, statistics.stages);
    statistics.stages.push_back({"latents", moments_of(latents_of(*normalised, codec))});
    report.tensors.push_back(std::move(statistics));
    ModelTensors::release(tensor);
  }
  progress.at(total, total, "done");
  return report;
}

std::string statistics_csv(const StatisticsReport& report) {
  std::vector<std::vector<std::string>> rows{{"tensor", "block", "type", "shape", "rows_used", "stage", "count", "mean",
                                              "deviation", "excess_kurtosis", "max_sigma", "share_beyond_3_sigma"}};
  for (const TensorStatistics& t : report.tensors) {
    for (const StageStatistics& s : t.stages) {
      const Moments& m = s.moments;
      rows.push_back({t.name, std::to_string(t.depth), t.type, csv_shape(t.shape), std::to_string(t.rows_used), s.stage,
                      std::to_string(m.count), csv_number(m.mean), csv_number(m.deviation),
                      csv_number(m.excess_kurtosis), csv_number(m.max_sigma), csv_number(m.share_beyond_3)});
    }
  }
  return format_csv(rows);
}

std::string statistics_svg(const StatisticsReport& report) {
  const auto kurtosis = [](const char* stage) {
    return [stage](const TensorStatistics& t) { return t.at(stage).excess_kurtosis; };
  };
  return render_svg("Linear weights by block",
                    {panel_of(report, "original weights", "excess kurtosis", kurtosis("original")),
                     panel_of(report, "original weights", "standard deviation",
                              [](const TensorStatistics& t) { return t.at("original").deviation; }),
                     panel_of(report, "column-normalised weights", "excess kurtosis", kurtosis("normalised")),
                     panel_of(report, "latents of the codec, level 0", "excess kurtosis", kurtosis("latents"))},
                    2);
}

}  // namespace nwc
