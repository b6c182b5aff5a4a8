#include "reproduce/points.h"

namespace nwc {
namespace {

Result<ExperimentResult> run(Bench& bench, const Progress& progress) {
  if (bench.options().others.empty()) return nothing_because("no models of other families were named (--other)");
  ExperimentResult result;
  for (const std::filesystem::path& model : bench.options().others) {
    NWC_ASSIGN_OR_RETURN(const std::vector<ComparisonPoint> points, all_points(bench, model, progress));
    add_points(points, {perplexity_metric(bench.options().wikitext), task_metric("mmlu")}, model.filename().string(),
               result);
  }
  result.remarks = {"The paper plots models of 20 to 47 billion weights without giving the numbers."};
  return result;
}

}  // namespace

extern const Experiment kFigure11{
    "Figure 11", "Qwen3-30B-A3B and Mixtral-8x7B: perplexity on WikiText-2 and MMLU against bits", run, nullptr};

}  // namespace nwc
