#include <fmt/format.h>

#include "baselines/rate_point.h"
#include "reproduce/codec_pairs.h"
#include "reproduce/experiment.h"

namespace nwc {
namespace {

Result<ExperimentResult> run(Bench& bench, const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(const AblationReport report, learned_and_identity(bench, progress));
  ExperimentResult result;
  PlotPanel panel{"perplexity against squared error",
                  "relative squared error, dB",
                  "perplexity on " + bench.options().wikitext.filename().string(),
                  {}};
  result.table.push_back({"codec", "bits", "squared error, dB", "perplexity", "original"});
  for (const AblationPoint& p : report.points) {
    result.table.push_back({p.variant, fmt::format("{:.4f}", p.bits), fmt::format("{:.3f}", decibels(p.relative_error)),
                            fmt::format("{:.5g}", p.perplexity.value_or(0)),
                            fmt::format("{:.5g}", report.original_perplexity)});
    if (panel.series.empty() || panel.series.back().label != p.variant) panel.series.push_back({p.variant, {}, true});
    panel.series.back().points.emplace_back(decibels(p.relative_error), p.perplexity.value_or(0));
  }
  result.panels.push_back(std::move(panel));
  result.remarks = {
      "Codecs are trained here on this model's weights, each for one lambda, and used at several rates by a gain; bits "
      "are bytes on disk. Without calibration, levels, feedback and recovery.",
      "The paper's statement, less perplexity at more squared error, is tested by whether the learned codecs' points "
      "lie "
      "below the identity's at equal error."};
  return result;
}

}  // namespace

extern const Experiment kFigure7{
    "Figure 7",
    "Llama 3-8B: perplexity against squared error of the weights, with entropy-constrained "
    "scalar quantisation alone and with a learned transform",
    run, nullptr};

}  // namespace nwc
