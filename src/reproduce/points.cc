#include "reproduce/points.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace nwc {
namespace {

constexpr std::array<const char*, 6> kCommonSense{"arc_easy", "arc_challenge", "winogrande",
                                                  "piqa",     "hellaswag",     "boolq"};

bool is_one_of_six(const std::string& task) {
  return std::find(kCommonSense.begin(), kCommonSense.end(), task) != kCommonSense.end();
}

std::string number(double value) { return fmt::format("{:.5g}", value); }

}  // namespace

PointMetric perplexity_metric(const std::filesystem::path& text) {
  const std::string name = text.filename().string();
  return {"perplexity on " + name, [name](const ComparisonPoint& point) -> std::optional<PointMetric::Value> {
            for (const TextQuality& t : point.texts) {
              if (t.text == name) return PointMetric::Value{t.perplexity, t.original_perplexity};
            }
            return std::nullopt;
          }};
}

PointMetric common_sense_metric(const std::vector<Task>& tasks) {
  const bool any = std::any_of(tasks.begin(), tasks.end(), [](const Task& t) { return is_one_of_six(t.name); });
  size_t count = 0;
  for (const Task& task : tasks) count += any ? is_one_of_six(task.name) : task.name != "mmlu";
  return {fmt::format("average accuracy on {} tasks, %", count),
          [any](const ComparisonPoint& point) -> std::optional<PointMetric::Value> {
            double sum = 0, original = 0, count = 0;
            for (const TaskScore& task : point.tasks) {
              if (any ? !is_one_of_six(task.task) : task.task == "mmlu") continue;
              sum += task.acc.value.mean;
              original += task.acc.reference ? task.acc.reference->mean : 0;
              ++count;
            }
            if (count == 0) return std::nullopt;
            return PointMetric::Value{100 * sum / count, 100 * original / count};
          }};
}

PointMetric task_metric(const std::string& task) {
  return {"accuracy on " + task + ", %", [task](const ComparisonPoint& point) -> std::optional<PointMetric::Value> {
            for (const TaskScore& t : point.tasks) {
              if (t.task != task) continue;
              return PointMetric::Value{100 * t.acc.value.mean,
                                        t.acc.reference ? 100 * t.acc.reference->mean : std::optional<double>()};
            }
            return std::nullopt;
          }};
}

PointMetric error_metric() {
  return {"relative squared error", [](const ComparisonPoint& point) -> std::optional<PointMetric::Value> {
            if (!point.relative_error) return std::nullopt;
            return PointMetric::Value{*point.relative_error, std::nullopt};
          }};
}

Result<std::vector<ComparisonPoint>> all_points(Bench& bench, const std::filesystem::path& model,
                                                const Progress& progress) {
  const ReproductionProfile& profile = bench.profile();
  Bench::Comparing comparing;
  comparing.model = model;
  comparing.bits = profile.bits;
  comparing.methods = {"nwcodec"};
  comparing.methods.insert(comparing.methods.end(), profile.methods.begin(), profile.methods.end());
  comparing.methods.insert(comparing.methods.end(), {profile.qtip, "seedlm"});
  NWC_ASSIGN_OR_RETURN(std::vector<ComparisonPoint> points, bench.compare(comparing, progress));
  comparing.methods = {profile.paper_form};
  comparing.name = "paper-form";
  if (profile.paper_networks) comparing.codecs = bench.options().paper_codecs;
  NWC_ASSIGN_OR_RETURN(std::vector<ComparisonPoint> of_paper, bench.compare(comparing, progress));
  const auto ours = std::find_if(points.begin(), points.end(),
                                 [](const ComparisonPoint& point) { return point.method != "nwcodec"; });
  points.insert(ours, of_paper.begin(), of_paper.end());
  return points;
}

std::string label_of_method(const std::string& method, const ReproductionProfile& profile) {
  if (method == profile.paper_form) return "the paper's form (" + method + ")";
  return method;
}

void add_points(const std::vector<ComparisonPoint>& points, const std::vector<PointMetric>& metrics,
                const std::string& prefix, ExperimentResult& result) {
  std::vector<const PointMetric*> present;
  for (const PointMetric& metric : metrics) {
    const bool any = std::any_of(points.begin(), points.end(),
                                 [&](const ComparisonPoint& point) { return metric.of(point).has_value(); });
    if (any) present.push_back(&metric);
  }
  if (result.table.empty()) {
    result.table.push_back({"model", "method", "asked bits", "bits"});
    for (const PointMetric* metric : present) {
      result.table[0].push_back(metric->name);
      result.table[0].push_back("original");
    }
    result.table[0].emplace_back("not there because");
  }
  for (const ComparisonPoint& point : points) {
    std::vector<std::string> row{prefix, point.method, number(point.asked_bits),
                                 point.missing.empty() ? fmt::format("{:.4f}", point.bits) : ""};
    for (const PointMetric* metric : present) {
      const auto value = metric->of(point);
      row.push_back(value ? number(value->value) : "");
      row.push_back(value && value->original ? number(*value->original) : "");
    }
    row.push_back(point.missing);
    result.table.push_back(std::move(row));
  }
  for (const PointMetric* metric : present) {
    PlotPanel panel{prefix + ": " + metric->name, "bits per weight, side information included", metric->name, {}};
    double least = 0, most = 0;
    std::optional<double> original;
    for (const ComparisonPoint& point : points) {
      const auto value = metric->of(point);
      if (!value) continue;
      if (panel.series.empty() || panel.series.back().label != point.method)
        panel.series.push_back({point.method, {}, true});
      panel.series.back().points.emplace_back(point.bits, value->value);
      least = least == 0 ? point.bits : std::min(least, point.bits);
      most = std::max(most, point.bits);
      if (value->original) original = value->original;
    }
    if (original) panel.series.push_back({"original", {{least, *original}, {most, *original}}, true});
    result.panels.push_back(std::move(panel));
  }
}

}  // namespace nwc
