#include <fmt/format.h>

#include "base/parallel.h"
#include "cli/shipped_codecs.h"
#include "cli/study/study_command.h"
#include "cli/terminal.h"
#include "libtorch/threads.h"
#include "reproduce/reproduction.h"

namespace nwc::cli {
namespace {

Json to_json(const ReproductionReport& report) {
  Json all = Json::array();
  for (const FinishedExperiment& done : report.experiments) {
    const auto or_null = [](const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); };
    all.push_back({{"experiment", done.experiment->name},
                   {"missing", or_null(done.result.missing)},
                   {"error", or_null(done.error)},
                   {"rows", done.result.table.empty() ? 0 : done.result.table.size() - 1},
                   {"plots", done.result.panels.size()},
                   {"from_earlier_run", done.from_earlier_run}});
  }
  return {{"model", report.model}, {"profile", report.profile}, {"experiments", all}};
}

void print_table(const ReproductionReport& report) {
  std::vector<std::vector<std::string>> rows{{"experiment", "rows", "plots", ""}};
  for (const FinishedExperiment& done : report.experiments) {
    const ExperimentResult& r = done.result;
    std::string note = !done.error.empty()     ? "FAILED: " + done.error
                       : !r.missing.empty()    ? "not here: " + r.missing
                       : done.from_earlier_run ? "from an earlier run"
                                               : "";
    rows.push_back({done.experiment->name, std::to_string(r.table.empty() ? 0 : r.table.size() - 1),
                    std::to_string(r.panels.size()), printable(note)});
  }
  fmt::print("{}\n", format_table(rows));
}

}  // namespace

std::function<Status()> add_reproduce_study(CLI::App& app, Command& command) {
  struct Arguments : StudyArguments {
    ReproductionOptions options;
    std::string profile = "full";
  };
  const auto a = std::make_shared<Arguments>();
  ReproductionOptions& o = a->options;
  std::string names;
  for (const Experiment& experiment : experiments()) {
    names += fmt::format("\n  {:<10} {}{}", file_name_of(experiment), experiment.shows,
                         experiment.run == nullptr ? " (not built)" : "");
  }
  app.footer("Experiments:" + names);
  app.add_option("model", o.model, "The original, plain checkpoint directory")->required()->check(not_empty());
  app.add_option("--calibration", o.calibration, "Texts to calibrate on")->required()->check(not_empty());
  app.add_option("--wikitext", o.wikitext, "WikiText-2's test text")->required()->check(not_empty());
  app.add_option("--c4", o.c4, "A text of C4 that calibration does not see")->check(not_empty());
  app.add_option("--tasks", o.tasks,
                 "Files of multiple-choice items, as eval's --tasks: the six common-sense tasks, MMLU, and those of "
                 "Table 4")
      ->check(not_empty());
  app.add_option("--other", o.others, "Models of other families (Figures 4 and 11)")
      ->allow_extra_args(false)
      ->check(not_empty());
  app.add_option("--profile", a->profile,
                 "full: for a GPU, hours; quick: a small model on two cores in minutes, to see that all runs")
      ->check(CLI::IsMember({"full", "quick"}))
      ->capture_default_str();
  app.add_option("--only", o.only, "Only these experiments, separated by commas")->delimiter(',')->check(not_empty());
  add_device_option(app, o.device_name);
  add_study_options(app, *a, command);
  app.callback([a] {
    for (const std::string& name : a->options.only) {
      bool known = false;
      for (const Experiment& experiment : experiments()) known = known || file_name_of(experiment) == name;
      if (!known) throw CLI::ValidationError("--only", "there is no experiment " + name);
    }
  });
  return [a, &command]() -> Status {
    ReproductionOptions& options = a->options;
    options.output = a->output;
    options.again = a->force;
    options.profile = a->profile == "quick" ? quick_profile() : full_profile();
    options.fast_codecs = shipped_profile("fast");
    options.paper_codecs = shipped_profile("paper");
    options.threads = resolve_threads(command.global.threads);
    set_compute_threads(options.threads);
    NWC_ASSIGN_OR_RETURN(options.device, open_device(options.device_name));
    Result<ReproductionReport> report = ReproductionReport{};
    {
      ProgressLine line(command.global.quiet);
      report = run_reproduction(options, line.progress());
    }
    if (!report) return std::move(report).error();
    if (command.global.json) {
      print_json(to_json(*report));
    } else {
      print_table(*report);
      fmt::print("written to {}\n", printable((options.output / "index.html").string()));
    }
    if (report->failed() == 0) return {};
    return Error(ErrorCode::kInternal, fmt::format("{} experiments failed; the page says why", report->failed()))
        .remedy("the same command tries them again and keeps the others");
  };
}

}  // namespace nwc::cli
