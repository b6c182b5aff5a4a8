#include "reproduce/points.h"

namespace nwc {
namespace {

Result<ExperimentResult> run(Bench& bench, const Progress& progress) {
  if (bench.options().c4.empty()) return nothing_because("no text of C4 was named (--c4)");
  NWC_ASSIGN_OR_RETURN(const std::vector<ComparisonPoint> points, all_points(bench, bench.options().model, progress));
  ExperimentResult result;
  add_points(points, {perplexity_metric(bench.options().c4)}, bench.options().model.filename().string(), result);
  result.remarks = {"The paper plots Llama 2 and 3 without giving the numbers; its text is C4's validation set."};
  return result;
}

}  // namespace

extern const Experiment kFigure10{
    "Figure 10", "Llama 2-7B, 2-13B and 3-8B: perplexity on C4 (context 2048) against bits", run, nullptr};

}  // namespace nwc
