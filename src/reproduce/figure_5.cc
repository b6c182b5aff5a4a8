#include "reproduce/points.h"

namespace nwc {
namespace {

Result<ExperimentResult> run(Bench& bench, const Progress& progress) {
  Bench::Comparing comparing;
  comparing.data_free = true;
  comparing.name = "data-free";
  comparing.bits = bench.profile().bits;
  comparing.with_tasks = false;
  if (bench.profile().paper_networks) comparing.codecs = bench.options().paper_codecs;
  comparing.methods = {"nwcodec:steps=levels"};
  NWC_ASSIGN_OR_RETURN(std::vector<ComparisonPoint> points, bench.compare(comparing, progress));
  Bench::Comparing without;  // methods that look at no data, whose points Figure 3 has, too
  without.bits = bench.profile().bits;
  without.methods = {"seedlm", "round-to-nearest"};
  NWC_ASSIGN_OR_RETURN(const std::vector<ComparisonPoint> others, bench.compare(without, progress));
  points.insert(points.end(), others.begin(), others.end());
  ExperimentResult result;
  add_points(points, {perplexity_metric(bench.options().wikitext)}, bench.options().model.filename().string(), result);
  result.remarks = {
      "Without data, nwcodec is the paper's simplified form: a learned transform, one quality for all columns, no "
      "feedback, no recovery.",
      "ReALLM without data is not here: the method is not built. Round to nearest stands in as what everybody has.",
      "The paper plots Llama models without giving the numbers."};
  return result;
}

}  // namespace

extern const Experiment kFigure5{"Figure 5",
                                 "Llama 2 and 3: perplexity on WikiText-2 without any calibration data, of NWC, SeedLM "
                                 "and ReALLM",
                                 run, nullptr};

}  // namespace nwc
