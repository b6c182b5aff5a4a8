#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "baselines/rate_point.h"
#include "compress/compress.h"
#include "reproduce/bench.h"
#include "reproduce/experiment.h"
#include "study/model_tensors.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLayers = 4;

// Up to kLayers key projections, evenly spread over the blocks.
Result<std::vector<std::string>> key_projections(const fs::path& model) {
  NWC_ASSIGN_OR_RETURN(const ModelTensors tensors, ModelTensors::open(model, {}));
  std::vector<std::string> all, chosen;
  for (const ModelTensors::Tensor& t : tensors.list()) {
    if (t.place.type.find("k_proj") != std::string::npos) all.push_back(t.weights.name);
  }
  const size_t count = std::min(kLayers, all.size());
  for (size_t i = 0; i < count; ++i) chosen.push_back(all[count == 1 ? 0 : i * (all.size() - 1) / (count - 1)]);
  return chosen;
}

// Everything but the tensor of this name.
std::string all_but(const std::string& name) {
  std::string pattern = "^(?!";
  for (const char c : name) {
    if (c == '.') pattern += '\\';
    pattern += c;
  }
  return pattern + "$)";
}

struct Curve {
  std::string tensor, method;
  std::vector<std::pair<double, double>> points;  // bits, dB
};

// Ours, of all tensors at once: bits of tiles, since the codec serves them all.
Status add_ours(Bench& bench, const std::vector<std::string>& names, std::vector<Curve>& curves,
                const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(const fs::path folder, bench.work("figure-14"));
  for (const double bits : bench.profile().bits) {
    CompressOptions options;
    options.model = bench.options().model;
    options.codecs = bench.profile().paper_networks ? bench.options().paper_codecs : bench.options().fast_codecs;
    options.output = folder / "compressed";
    options.bits = bits;
    options.force = true;
    options.threads = bench.options().threads;
    const Result<CompressReport> report = compress_checkpoint(options, progress);
    std::error_code ignored;
    fs::remove_all(options.output, ignored);
    if (!report) return report.error();
    for (const TensorRecord& record : report->tensors) {
      const auto found = std::find(names.begin(), names.end(), record.name);
      if (found == names.end() || !record.encoding) continue;
      const EncodeStatistics& s = record.encoding->statistics;
      curves[static_cast<size_t>(found - names.begin())].points.emplace_back(
          8.0 * static_cast<double>(s.payload_bytes) / static_cast<double>(s.weights),
          decibels(s.squared_error / s.squared_weight));
    }
  }
  return {};
}

Result<ExperimentResult> run(Bench& bench, const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> names, key_projections(bench.options().model));
  if (names.empty()) return nothing_because("this model's key projections do not go by that name");
  std::vector<Curve> curves;
  for (const std::string& name : names) curves.push_back({name, "nwcodec", {}});
  NWC_RETURN_IF_ERROR(add_ours(bench, names, curves, progress));
  for (const std::string& name : names) {
    Bench::Comparing comparing;
    comparing.name = "layer-" + name;
    comparing.data_free = true;
    comparing.measured = false;
    comparing.selection.exclude = {all_but(name)};
    comparing.methods = {bench.profile().qtip + ":feedback=0"};
    comparing.bits = bench.profile().bits;
    NWC_ASSIGN_OR_RETURN(const std::vector<ComparisonPoint> points, bench.compare(comparing, progress));
    Curve curve{name, "QTIP", {}};
    for (const ComparisonPoint& p : points) {
      if (p.relative_error) curve.points.emplace_back(p.asked_bits, decibels(*p.relative_error));
    }
    curves.push_back(std::move(curve));
  }
  ExperimentResult result;
  result.table.push_back({"tensor", "method", "bits", "squared error, dB"});
  for (const std::string& name : names) {
    PlotPanel& panel =
        result.panels.emplace_back(PlotPanel{name, "bits per weight, codes only", "relative squared error, dB", {}});
    for (const Curve& curve : curves) {
      if (curve.tensor != name) continue;
      panel.series.push_back({curve.method, curve.points, true});
      for (const auto& [bits, error] : curve.points) {
        result.table.push_back({name, curve.method, fmt::format("{:.4f}", bits), fmt::format("{:.3f}", error)});
      }
    }
  }
  result.remarks = {
      "Codes only, without factors, codec and codebook, which a single layer cannot carry; squared error of the "
      "weights "
      "as they are. Both without data."};
  return result;
}

}  // namespace

extern const Experiment kFigure14{
    "Figure 14",
    "Llama 3-8B: rate-distortion curves of QTIP and NWC for the key projections of several "
    "blocks, kurtosis high and low",
    run, nullptr};

}  // namespace nwc
