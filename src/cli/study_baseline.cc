#include <fmt/format.h>

#include "baselines/baseline.h"
#include "cli/study_command.h"
#include "cli/terminal.h"
#include "study/baseline_checkpoint.h"

namespace nwc::cli {

std::function<Status()> add_baseline_study(CLI::App& app, Command& command) {
  const auto options = std::make_shared<BaselineOptions>();
  std::string methods;
  for (const std::string& line : describe_baselines()) methods += "\n  " + line;
  app.footer("Methods:" + methods);
  app.add_option("model", options->model, "A plain checkpoint directory")->required()->check(not_empty());
  app.add_option("--method", options->method, "NAME or NAME:KEY=NUMBER,...")->required()->check(not_empty());
  app.add_option("--hessians", options->hessians, "What `nwcodec calibrate` wrote: with error feedback")
      ->check(not_empty());
  app.add_option("--damping", options->ldl.damping, "Share of the mean diagonal that is added to it")
      ->check(in_range(0.0, 1.0))
      ->capture_default_str();
  app.add_flag("!--unsorted", options->sort_columns, "Feedback from the last column on, not from the costliest");
  app.add_option("-o,--output", options->output, "Directory for the plain checkpoint")->required()->check(not_empty());
  add_global_options(app, command);
  return [options, &command]() -> Status {
    options->threads = command.global.threads;
    Result<BaselineReport> report = BaselineReport{};
    {
      ProgressLine line(command.global.quiet);
      report = quantise_checkpoint(*options, line.progress());
      if (!report) return std::move(report).error();
      for (const std::string& warning : report->warnings) line.note("warning: " + warning);
    }
    if (command.global.json) {
      print_json(to_json(*report));
    } else {
      fmt::print("{:.4f} bits per weight of {} weights, side information included; relative squared error {:.6f}\n",
                 report->bits_per_weight(), report->weights,
                 report->squared_weight > 0 ? report->squared_error / report->squared_weight : 0.0);
    }
    return {};
  };
}

}  // namespace nwc::cli
