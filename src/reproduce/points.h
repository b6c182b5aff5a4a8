// Points of comparisons as plots and tables: what Figures 3, 4, 5, 7, 10, 11 and 12 have in common.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "comparison/comparison.h"
#include "reproduce/bench.h"
#include "reproduce/experiment.h"

namespace nwc {

// One number of a point, and the same of the original.
struct PointMetric {
  std::string name;
  struct Value {
    double value = 0;
    std::optional<double> original;
  };
  std::function<std::optional<Value>(const ComparisonPoint&)> of;
};

PointMetric perplexity_metric(const std::filesystem::path& text);
// The average over those of the paper's six tasks that are there; of all tasks but MMLU if none is. Accuracies are acc.
PointMetric common_sense_metric(const std::vector<Task>& tasks);
PointMetric task_metric(const std::string& task);
// Squared error over squared weight.
PointMetric error_metric();

// Ours, the paper's form and all that it compares with, by the profile, on one of the models. Errors: compare()'s.
Result<std::vector<ComparisonPoint>> all_points(Bench& bench, const std::filesystem::path& model,
                                                const Progress& progress);

// A panel for each metric that some point has, against bits; a row for each point. `prefix`: before panels' titles.
void add_points(const std::vector<ComparisonPoint>& points, const std::vector<PointMetric>& metrics,
                const std::string& prefix, ExperimentResult& result);

// A label for plots.
std::string label_of_method(const std::string& method, const ReproductionProfile& profile);

}  // namespace nwc
