#include <fmt/format.h>

#include "reproduce/points.h"

namespace nwc {
namespace {

// The paper's columns.
constexpr const char* kTasks[] = {"openbookqa", "arc_easy", "winogrande", "hellaswag", "piqa", "mathqa"};

Result<ExperimentResult> run(Bench& bench, const Progress& progress) {
  Bench::Comparing comparing;
  comparing.name = "table-4";
  comparing.bits = {0.8 * 16};
  comparing.methods = {"svd-llm", "svd-llm:version=2"};
  NWC_ASSIGN_OR_RETURN(std::vector<ComparisonPoint> points, bench.compare(comparing, progress));
  comparing.bits = {4};
  comparing.methods = {bench.profile().paper_form};
  comparing.name = "paper-form";
  if (bench.profile().paper_networks) comparing.codecs = bench.options().paper_codecs;
  NWC_ASSIGN_OR_RETURN(const std::vector<ComparisonPoint> ours, bench.compare(comparing, progress));
  points.insert(points.end(), ours.begin(), ours.end());
  ExperimentResult result;
  result.table = {
      {"method", "ratio", "Wiki-2", "OpenQ", "ARCe", "WG", "HS", "PQ", "MathQ", "Avg", "whose"},
      {"original", "100%", "6.14", "0.35", "0.80", "0.73", "0.60", "0.80", "0.40", "0.61", "paper, Llama 3-8B"},
      {"SVD-LLM", "80%", "11.82", "0.29", "0.77", "0.64", "0.51", "0.72", "0.30", "0.54", "paper, Llama 3-8B"},
      {"SVD-LLM V2", "80%", "8.01", "0.33", "0.79", "0.70", "0.58", "0.77", "0.36", "0.59", "paper, Llama 3-8B"},
      {"NWC", "25%", "6.32", "0.34", "0.80", "0.75", "0.60", "0.79", "0.39", "0.61", "paper, Llama 3-8B"}};
  const auto row = [&](const std::string& name, const ComparisonPoint& point, bool original) {
    std::vector<std::string> cells{name, original ? "100%" : fmt::format("{:.1f}%", 100 * point.bits / 16)};
    cells.push_back(point.texts.empty() ? ""
                                        : fmt::format("{:.5g}", original ? point.texts[0].original_perplexity
                                                                         : point.texts[0].perplexity));
    double sum = 0, count = 0;
    for (const char* task : kTasks) {
      const auto value = task_metric(task).of(point);
      if (!value || (original && !value->original)) {
        cells.emplace_back();
        continue;
      }
      const double share = (original ? *value->original : value->value) / 100;
      cells.push_back(fmt::format("{:.3f}", share));
      sum += share;
      ++count;
    }
    cells.push_back(count > 0 ? fmt::format("{:.3f}", sum / count) : "");
    cells.emplace_back("ours");
    result.table.push_back(std::move(cells));
  };
  if (!points.empty()) row("original", points.front(), true);
  for (const ComparisonPoint& point : points) row(label_of_method(point.method, bench.profile()), point, false);
  result.remarks = {
      "The ratio is that of the linear weights, from 16 bits; the paper counts the whole model. Accuracies are acc."};
  return result;
}

}  // namespace

extern const Experiment kTable4{
    "Table 4",
    "Llama 3-8B: SVD-LLM and its version 2 at 80 % of the size, NWC at 25 %: perplexity and "
    "six tasks",
    run, nullptr};

}  // namespace nwc
