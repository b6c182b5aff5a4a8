#include "reproduce/reproduction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/file.h"
#include "reproduce/points.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::TempDir;

const fs::path kSource = NWC_SOURCE_DIR;

ReproductionOptions options_in(const TempDir& work) {
  ReproductionOptions options;
  options.model = kSource / "models/demo";
  options.calibration = {kSource / "models/demo-text.txt"};
  options.wikitext = kSource / "models/demo-text.txt";
  options.tasks = {kSource / "tests/data/zeroshot/harbour.jsonl"};
  options.output = work / "out";
  options.profile = quick_profile();
  options.profile.methods = {};
  options.fast_codecs = {kSource / "codecs/fast-1000.safetensors"};
  options.only = {"figure-4", "figure-12", "figure-13", "table-3"};
  options.threads = 2;
  return options;
}

TEST(Reproduction, EveryFigureAndTableOfThePaperIsThereOnce) {
  std::set<std::string> names;
  for (const Experiment& experiment : experiments()) {
    EXPECT_TRUE(names.insert(file_name_of(experiment)).second) << experiment.name;
    EXPECT_NE(experiment.run == nullptr, experiment.not_built == nullptr) << experiment.name;
  }
  // Figures 1 and 2 are drawings.
  for (const int figure : {3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14})
    EXPECT_TRUE(names.contains("figure-" + std::to_string(figure))) << figure;
  for (const char part : {'a', 'b', 'c', 'd'}) EXPECT_TRUE(names.contains(std::string("figure-9") + part)) << part;
  for (int table = 1; table <= 7; ++table) EXPECT_TRUE(names.contains("table-" + std::to_string(table))) << table;
}

TEST(Reproduction, WritesAPageAndGoesOnFromIt) {
  TempDir work;
  const ReproductionOptions options = options_in(work);
  const Result<ReproductionReport> first = run_reproduction(options, {});
  ASSERT_TRUE(first.ok()) << first.error().to_string();
  ASSERT_EQ(first->experiments.size(), 4u);
  EXPECT_EQ(first->failed(), 0u);
  EXPECT_NE(first->experiments[0].result.missing.find("--other"), std::string::npos);
  EXPECT_NE(first->experiments[1].result.missing.find("ReALLM"), std::string::npos);  // not built, by name
  const ExperimentResult& statistics = first->experiments[2].result;
  EXPECT_EQ(statistics.panels.size(), 2u);
  EXPECT_EQ(statistics.table.size(), 1u + 6 * 7);  // seven layers of six blocks
  EXPECT_EQ(first->experiments[3].result.table[1], (std::vector<std::string>{"chunk size", "16", "16"}));
  const std::string page = *read_text_file(work / "out/index.html", 1 << 24);
  for (const char* text : {"Figure 12", "(not here)", "id=\"table-3\"", "Llama 3-8B"})
    EXPECT_NE(page.find(text), std::string::npos) << text;
  EXPECT_TRUE(fs::exists(work / "out/figure-13.svg"));
  EXPECT_TRUE(fs::exists(work / "out/table-3.csv"));

  const Result<ReproductionReport> second = run_reproduction(options, {});
  ASSERT_TRUE(second.ok()) << second.error().to_string();
  EXPECT_TRUE(second->experiments[2].from_earlier_run);
  EXPECT_EQ(second->experiments[2].result.table, statistics.table);
  EXPECT_EQ(second->experiments[2].result.panels[0].series[0].points, statistics.panels[0].series[0].points);
  EXPECT_EQ(*read_text_file(work / "out/index.html", 1 << 24), page);

  ReproductionOptions other = options;
  other.tasks = {};
  const Result<ReproductionReport> refused = run_reproduction(other, {});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kExists);
  other.again = true;
  other.only = {"table-3"};
  const Result<ReproductionReport> anew = run_reproduction(other, {});
  ASSERT_TRUE(anew.ok()) << anew.error().to_string();
  EXPECT_FALSE(anew->experiments[0].from_earlier_run);
}

TEST(Reproduction, OneExperimentThatFailsIsNotedAndTheOthersRun) {
  TempDir work;
  ReproductionOptions options = options_in(work);
  options.fast_codecs = {};  // Figure 13 looks at latents
  const Result<ReproductionReport> report = run_reproduction(options, {});
  ASSERT_TRUE(report.ok()) << report.error().to_string();
  EXPECT_EQ(report->failed(), 1u);
  EXPECT_NE(report->experiments[2].error.find("no shipped codecs"), std::string::npos);
  EXPECT_FALSE(report->experiments[3].result.table.empty());
  EXPECT_NE(read_text_file(work / "out/index.html", 1 << 24)->find("Failed: "), std::string::npos);
  EXPECT_FALSE(fs::exists(work / "out/experiments/figure-13.json"));  // so that the next run tries it again
}

TEST(Points, AverageTheSixTasksAlone) {
  ComparisonPoint point{.method = "a", .asked_bits = 4, .missing = {}, .bits = 4};
  const auto task = [](const char* name, double acc, double reference) {
    TaskScore score{.task = name, .items = 1, .acc = {}, .acc_norm = {}, .same_choice = {}};
    score.acc.value.mean = acc;
    score.acc.reference = MeanEstimate{reference, {}};
    return score;
  };
  point.tasks = {task("piqa", 0.5, 0.6), task("mmlu", 0.1, 0.2), task("boolq", 0.7, 0.8), task("copa", 1, 1)};
  const std::vector<Task> tasks{{"piqa", {}, {}}, {"mmlu", {}, {}}, {"boolq", {}, {}}, {"copa", {}, {}}};
  const PointMetric metric = common_sense_metric(tasks);
  EXPECT_EQ(metric.name, "average accuracy on 2 tasks, %");
  const auto value = metric.of(point);
  ASSERT_TRUE(value.has_value());
  EXPECT_DOUBLE_EQ(value->value, 60);
  EXPECT_DOUBLE_EQ(*value->original, 70);
  EXPECT_DOUBLE_EQ(task_metric("mmlu").of(point)->value, 10);
  EXPECT_FALSE(task_metric("arc_easy").of(point).has_value());
  ExperimentResult result;
  add_points({point}, {metric, task_metric("arc_easy")}, "model", result);
  ASSERT_EQ(result.panels.size(), 1u);  // of metrics that are there
  EXPECT_EQ(result.panels[0].series.back().label, "original");
  EXPECT_EQ(result.table[1][4], "60");
}

}  // namespace
}  // namespace nwc
