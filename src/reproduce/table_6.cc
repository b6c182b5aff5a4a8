#include <fmt/format.h>

#include <cmath>

#include "reproduce/points.h"

namespace nwc {
namespace {

constexpr uint64_t kSeeds = 3;

Result<ExperimentResult> run(Bench& bench, const Progress& progress) {
  const ReproductionProfile& profile = bench.profile();
  const double lambda = profile.lambdas.back();
  std::vector<std::vector<ComparisonPoint>> of_seeds;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Bench::Comparing comparing;
    comparing.methods = {profile.paper_form};
    comparing.bits = {4, 5, 6};
    comparing.name = "seed-" + std::to_string(seed);
    NWC_ASSIGN_OR_RETURN(std::filesystem::path codec, bench.codec(lambda, seed, false, progress));
    comparing.codecs = {std::move(codec)};
    NWC_ASSIGN_OR_RETURN(std::vector<ComparisonPoint> points, bench.compare(comparing, progress));
    of_seeds.push_back(std::move(points));
  }
  ExperimentResult result;
  result.table = {{"metric", "bits", "standard deviation", "mean", "whose"},
                  {"WikiText-2 (PPL)", "3.96", "0.009", "", "paper, Llama 3-8B"},
                  {"WikiText-2 (PPL)", "4.80", "0.008", "", "paper, Llama 3-8B"},
                  {"WikiText-2 (PPL)", "5.98", "0.005", "", "paper, Llama 3-8B"},
                  {"C4 (PPL)", "3.96", "0.004", "", "paper, Llama 3-8B"},
                  {"C4 (PPL)", "4.80", "0.003", "", "paper, Llama 3-8B"},
                  {"C4 (PPL)", "5.98", "0.005", "", "paper, Llama 3-8B"},
                  {"Common-sense (%)", "3.96", "0.23", "", "paper, Llama 3-8B"},
                  {"Common-sense (%)", "4.80", "0.07", "", "paper, Llama 3-8B"},
                  {"Common-sense (%)", "5.98", "0.08", "", "paper, Llama 3-8B"},
                  {"MMLU (%)", "3.96", "0.20", "", "paper, Llama 3-8B"},
                  {"MMLU (%)", "4.80", "0.12", "", "paper, Llama 3-8B"},
                  {"MMLU (%)", "5.98", "0.04", "", "paper, Llama 3-8B"}};
  std::vector<PointMetric> metrics{perplexity_metric(bench.options().wikitext)};
  if (!bench.options().c4.empty()) metrics.push_back(perplexity_metric(bench.options().c4));
  metrics.push_back(common_sense_metric(bench.tasks()));
  metrics.push_back(task_metric("mmlu"));
  for (const PointMetric& metric : metrics) {
    for (size_t i = 0; i < of_seeds[0].size(); ++i) {
      double sum = 0, squares = 0, bits = 0;
      bool there = true;
      for (const std::vector<ComparisonPoint>& points : of_seeds) {
        const auto value = metric.of(points[i]);
        there = there && value.has_value();
        if (!value) continue;
        sum += value->value;
        squares += value->value * value->value;
        bits += points[i].bits;
      }
      if (!there) continue;
      const double n = kSeeds, variance = std::max(0.0, (squares - sum * sum / n) / (n - 1));
      result.table.push_back({metric.name, fmt::format("{:.4f}", bits / n), fmt::format("{:.3g}", std::sqrt(variance)),
                              fmt::format("{:.5g}", sum / n), "ours"});
    }
  }
  result.remarks = {
      fmt::format("Three codecs trained on this model's weights with other seeds, lambda {:g}, the same calibration; "
                  "sample standard deviations.",
                  lambda)};
  return result;
}

}  // namespace

extern const Experiment kTable6{"Table 6", "Llama 3-8B: standard deviations over three codecs of other seeds", run,
                                nullptr};

}  // namespace nwc
