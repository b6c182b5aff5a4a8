#include <fmt/format.h>

#include "baselines/rate_point.h"
#include "cli/study/study_command.h"
#include "cli/terminal.h"
#include "cli/train_options.h"
#include "learn/fixed_length.h"
#include "study/output/csv.h"
#include "study/output/svg_plot.h"

namespace nwc::cli {
namespace {

std::string to_csv(const std::vector<FixedLengthPoint>& points) {
  std::vector<std::vector<std::string>> rows{{"method", "parameter", "bits", "nmse", "gap_to_gaussian_bound_db"}};
  for (const FixedLengthPoint& p : points) {
    rows.push_back({p.method, csv_number(p.parameter), csv_number(p.bits), csv_number(p.nmse),
                    csv_number(gap_decibels({p.bits, p.nmse}))});
  }
  return format_csv(rows);
}

std::string to_svg(const std::vector<FixedLengthPoint>& points) {
  PlotPanel panel{.title = "", .x_label = "bits per weight", .y_label = "gap to the Gaussian bound, dB", .series = {}};
  for (const FixedLengthPoint& p : points) {
    if (panel.series.empty() || panel.series.back().label != p.method)
      panel.series.push_back({.label = p.method, .points = {}});
    panel.series.back().points.emplace_back(p.bits, gap_decibels({p.bits, p.nmse}));
  }
  return render_svg("Quantisers trained with the same transforms", {panel}, 1);
}

Json to_json(const std::vector<FixedLengthPoint>& points) {
  Json all = Json::array();
  for (const FixedLengthPoint& p : points)
    all.push_back({{"method", p.method}, {"parameter", p.parameter}, {"bits", p.bits}, {"nmse", p.nmse}});
  return {{"points", all}};
}

void print_table(const std::vector<FixedLengthPoint>& points) {
  std::vector<std::vector<std::string>> rows{{"quantiser", "bits", "NMSE", "gap dB"}};
  for (const FixedLengthPoint& p : points) {
    rows.push_back({p.method, fmt::format("{:.4f}", p.bits), fmt::format("{:.6f}", p.nmse),
                    fmt::format("{:.3f}", gap_decibels({p.bits, p.nmse}))});
  }
  fmt::print("{}\n", format_table(rows));
}

}  // namespace

std::function<Status()> add_fixed_length_study(CLI::App& app, Command& command) {
  struct Arguments : StudyArguments {
    FixedLengthOptions options;
  };
  const auto a = std::make_shared<Arguments>();
  TrainOptions& o = a->options.train;
  o.steps = 1500;
  app.add_option("models", o.models, "Checkpoint directories to learn from")->required()->check(not_empty());
  app.add_option("--bits", a->options.bits, "Rates of the fixed-length quantisers")
      ->check(in_range(1, 5))
      ->capture_default_str();
  app.add_option("--lambdas", a->options.lambdas, "Weights of the distortion of the entropy-coded ones")
      ->check(in_range(kLeastLambda, kMostLambda))
      ->capture_default_str();
  app.add_option("--analysis-width", o.analysis.width, "Width of the analysis transform")
      ->check(widths())
      ->capture_default_str();
  app.add_option("--analysis-depth", o.analysis.depth, "Residual blocks of the analysis transform")
      ->check(depths())
      ->capture_default_str();
  app.add_option("--synthesis-width", o.synthesis.width, "Width of the synthesis transform")
      ->check(widths())
      ->capture_default_str();
  app.add_option("--synthesis-depth", o.synthesis.depth, "Residual blocks of the synthesis transform")
      ->check(depths())
      ->capture_default_str();
  app.add_option("--steps", o.steps, "Training steps of each")
      ->check(in_range(int64_t{1}, kMostSteps))
      ->capture_default_str();
  app.add_option("--batch", o.batch, "Chunks per step")->check(in_range(int64_t{1}, kMostBatch))->capture_default_str();
  app.add_option("--seed", o.seed, "Seed of all random numbers")->check(any_seed())->capture_default_str();
  add_study_options(app, *a, command);
  return [a, &command]() -> Status {
    constexpr const char* kName = "fixed-length";
    a->options.train.threads = command.global.threads;
    NWC_ASSIGN_OR_RETURN(const StudyOutput output, StudyOutput::open(a->output, study_files(kName), a->force));
    Result<std::vector<FixedLengthPoint>> points = std::vector<FixedLengthPoint>();
    {
      ProgressLine line(command.global.quiet);
      points = run_fixed_length_study(a->options, line.progress());
    }
    if (!points) return std::move(points).error();
    command.global.json ? print_json(to_json(*points)) : print_table(*points);
    return write_study(output, kName, to_csv(*points), to_svg(*points), command);
  };
}

}  // namespace nwc::cli
