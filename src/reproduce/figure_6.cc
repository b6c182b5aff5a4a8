#include <fmt/format.h>

#include "reproduce/bench.h"
#include "reproduce/experiment.h"
#include "study/rate_distortion_study.h"

namespace nwc {
namespace {

Result<ExperimentResult> run(Bench& bench, const Progress& progress) {
  const ReproductionProfile& profile = bench.profile();
  RateDistortionOptions options;
  options.model = bench.options().model;
  options.codecs = bench.options().fast_codecs;
  options.samples = profile.samples;
  options.trellis.samples = profile.trellis_samples;
  options.trellis.state_bits = profile.trellis_state_bits;
  options.largest_bits = profile.largest_bits;
  options.threads = bench.options().threads;
  NWC_ASSIGN_OR_RETURN(const RateDistortionReport report, run_rate_distortion_study(options, progress));
  ExperimentResult result;
  result.table.push_back({"source", "Hadamard", "method", "bits", "squared error, dB", "over the Gaussian bound, dB"});
  for (const RateDistortionPoint& p : report.points) {
    result.table.push_back({p.source, p.hadamard ? "yes" : "no", p.method, fmt::format("{:.4f}", p.point.bits),
                            fmt::format("{:.3f}", decibels(p.point.nmse)),
                            fmt::format("{:.3f}", gap_decibels(p.point))});
    const std::string title = p.source + (p.hadamard ? ", after a random Hadamard transform" : "");
    if (result.panels.empty() || result.panels.back().title != title)
      result.panels.push_back({title, "bits per weight", "over the Gaussian bound, dB", {}});
    std::vector<PlotSeries>& series = result.panels.back().series;
    if (series.empty() || series.back().label != p.method) series.push_back({p.method, {}, true});
    series.back().points.emplace_back(p.point.bits, gap_decibels(p.point));
  }
  result.remarks = {
      "The paper plots log error; here it is the distance from a Gaussian's bound at the same bits, where curves that "
      "run in parallel can be told apart. Gaussian and Laplace sources are the paper's own, so these curves can be "
      "compared; the weights are of another model.",
      fmt::format("Trellis codes have 2^{} states and {} samples, the paper's 2^16 and 2^20.",
                  profile.trellis_state_bits, profile.trellis_samples)};
  return result;
}

}  // namespace

extern const Experiment kFigure6{"Figure 6",
                                 "Rate-distortion curves of scalar, vector, trellis-coded and entropy-constrained "
                                 "quantisation on Gaussian and Laplace sources and on weights of Llama 3-8B, plain and "
                                 "after a random Hadamard transform",
                                 run, nullptr};

}  // namespace nwc
