#include "reproduce/points.h"

namespace nwc {
namespace {

Result<ExperimentResult> run(Bench& bench, const Progress& progress) {
  Bench::Comparing comparing;
  comparing.name = "compensation";
  comparing.bits = bench.profile().ablation_bits;
  comparing.with_tasks = false;
  if (bench.profile().paper_networks) comparing.codecs = bench.options().paper_codecs;
  for (const char* feedback : {"none", "columns"}) {
    for (const char* recover : {"0", "1"})
      comparing.methods.push_back(std::string("nwcodec:steps=levels:feedback=") + feedback + ":recover=" + recover);
  }
  NWC_ASSIGN_OR_RETURN(const std::vector<ComparisonPoint> points, bench.compare(comparing, progress));
  ExperimentResult result;
  add_points(points, {perplexity_metric(bench.options().wikitext)}, bench.options().model.filename().string(), result);
  result.remarks = {
      "feedback=columns is the paper's intra-layer feedback, recover=1 its inter-layer recovery fine-tuning."};
  return result;
}

}  // namespace

extern const Experiment kFigure9c{
    "Figure 9c", "Llama 3-8B: perplexity against bits without compensation, with intra-layer feedback, and with both",
    run, nullptr};

}  // namespace nwc
