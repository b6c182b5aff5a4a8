#include <fmt/format.h>

#include "reproduce/points.h"

namespace nwc {
namespace {

Result<ExperimentResult> run(Bench& bench, const Progress& progress) {
  Bench::Comparing comparing;
  comparing.methods = {bench.profile().paper_form, "nwcodec"};
  comparing.bits = {4};
  comparing.name = "table-5";
  comparing.context = 2 * bench.profile().context;
  comparing.with_tasks = false;
  if (bench.profile().paper_networks) comparing.codecs = bench.options().paper_codecs;
  NWC_ASSIGN_OR_RETURN(const std::vector<ComparisonPoint> points, bench.compare(comparing, progress));
  ExperimentResult result;
  result.table = {{"method", "bits", "WikiText-2", "C4", "whose"},
                  {"FP16", "16", "5.12", "6.63", "paper, Llama 2-7B"},
                  {"PocketLLM", "3.98", "5.27", "6.86", "paper, Llama 2-7B"},
                  {"NWC", "3.96", "5.17", "6.70", "paper, Llama 2-7B"}};
  const auto number = [](const ComparisonPoint& point, size_t text, bool original) {
    if (text >= point.texts.size()) return std::string();
    return fmt::format("{:.5g}", original ? point.texts[text].original_perplexity : point.texts[text].perplexity);
  };
  if (!points.empty())
    result.table.push_back({"original", "", number(points[0], 0, true), number(points[0], 1, true), "ours"});
  for (const ComparisonPoint& point : points) {
    result.table.push_back({label_of_method(point.method, bench.profile()), fmt::format("{:.4f}", point.bits),
                            number(point, 0, false), number(point, 1, false), "ours"});
  }
  result.remarks = {
      fmt::format("Context {}, twice that of the other experiments, as the paper's 4096 is.", comparing.context),
      "PocketLLM is not among the methods (docs/lab/methods.md), so its row is the paper's alone."};
  return result;
}

}  // namespace

extern const Experiment kTable5{"Table 5", "Llama 2-7B: PocketLLM and NWC at 4 bits, WikiText-2 and C4, context 4096",
                                run, nullptr};

}  // namespace nwc
