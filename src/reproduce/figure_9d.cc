#include <fmt/format.h>

#include "baselines/rate_point.h"
#include "learn/fixed_length.h"
#include "reproduce/bench.h"
#include "reproduce/experiment.h"

namespace nwc {
namespace {

Result<ExperimentResult> run(Bench& bench, const Progress& progress) {
  const ReproductionProfile& profile = bench.profile();
  FixedLengthOptions options;
  options.train.models = {bench.options().model};
  options.train.analysis = options.train.synthesis = {profile.train_width, profile.train_depth};
  options.train.steps = profile.train_steps;
  options.train.batch = profile.train_batch;
  options.train.threads = bench.options().threads;
  if (profile.name == "quick") options.bits = {3}, options.lambdas = {300};
  NWC_ASSIGN_OR_RETURN(const std::vector<FixedLengthPoint> points, run_fixed_length_study(options, progress));
  ExperimentResult result;
  result.table.push_back({"quantiser", "bits", "squared error, dB", "over the Gaussian bound, dB"});
  PlotPanel panel{"the same transforms", "bits per weight", "over the Gaussian bound, dB", {}};
  for (const FixedLengthPoint& p : points) {
    const RatePoint point{p.bits, p.nmse};
    result.table.push_back({p.method, fmt::format("{:.4f}", p.bits), fmt::format("{:.3f}", decibels(p.nmse)),
                            fmt::format("{:.3f}", gap_decibels(point))});
    if (panel.series.empty() || panel.series.back().label != p.method) panel.series.push_back({p.method, {}, true});
    panel.series.back().points.emplace_back(p.bits, gap_decibels(point));
  }
  result.panels.push_back(std::move(panel));
  result.remarks = {
      "The paper shows perplexity; quantisers of fixed length are trained here but have no form on disk, so that they "
      "are judged by their squared error of validation weights."};
  return result;
}

}  // namespace

extern const Experiment kFigure9d{"Figure 9d",
                                  "Llama 3-8B: the entropy model against learned scalar and vector quantisers of fixed "
                                  "length behind the same transforms",
                                  run, nullptr};

}  // namespace nwc
