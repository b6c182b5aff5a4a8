#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/parallel.h"
#include "cli/language.h"
#include "cli/shipped_codecs.h"
#include "cli/study/study_command.h"
#include "cli/terminal.h"
#include "comparison/comparison.h"
#include "libtorch/threads.h"
#include "methods/methods.h"

namespace nwc::cli {
namespace {

void print_table(const ComparisonReport& report) {
  std::vector<std::string> header{"method", "asked", "bits", "squared error", "tr(E H E^T)", "seconds"};
  const auto with_texts = std::find_if(report.points.begin(), report.points.end(),
                                       [](const ComparisonPoint& p) { return !p.texts.empty(); });
  const size_t texts = with_texts == report.points.end() ? 0 : with_texts->texts.size();
  for (size_t t = 0; t < texts; ++t) {
    header.push_back("KL " + printable(with_texts->texts[t].text));
    header.insert(header.end(), {"+-", "perplexity"});
  }
  const auto with_tasks = std::find_if(report.points.begin(), report.points.end(),
                                       [](const ComparisonPoint& p) { return !p.tasks.empty(); });
  const bool tasks = with_tasks != report.points.end();
  if (tasks) header.insert(header.end(), {"acc %", "difference", "+-", "acc_norm %", "difference", "+-"});
  std::vector<std::vector<std::string>> rows{header};
  std::string missing;
  const auto or_dash = [](const std::optional<double>& v, const char* form) {
    return v ? fmt::format(fmt::runtime(form), *v) : std::string("-");
  };
  for (const ComparisonPoint& p : report.points) {
    std::vector<std::string> row{p.method, fmt::format("{:g}", p.asked_bits)};
    if (!p.missing.empty()) {
      row.resize(header.size(), "-");
      missing += fmt::format("not at {:g} bits: {}\n", p.asked_bits, p.missing);
    } else {
      row.insert(row.end(), {fmt::format("{:.4f}", p.bits), or_dash(p.relative_error, "{:.6f}"),
                             or_dash(p.weighted_error, "{:.5g}"), fmt::format("{:.1f}", p.seconds)});
      for (const TextQuality& t : p.texts) {
        row.insert(row.end(), {fmt::format("{:.5f}", t.divergence), fmt::format("{:.5f}", t.divergence_error),
                               fmt::format("{:.3f}", t.perplexity)});
      }
      if (tasks) {
        const AverageScore average = average_of(p.tasks);
        for (const Accuracy* a : {&average.acc, &average.acc_norm}) {
          row.insert(row.end(),
                     {fmt::format("{:.2f}", 100 * a->value.mean), fmt::format("{:+.2f}", 100 * a->difference->mean),
                      a->difference->standard_error ? fmt::format("{:.2f}", 100 * *a->difference->standard_error)
                                                    : std::string("-")});
        }
      }
    }
    rows.push_back(std::move(row));
  }
  fmt::print("{}\n", format_table(rows));
  for (size_t t = 0; t < texts; ++t) {
    fmt::print("perplexity of the original on {}: {:.3f}\n", printable(with_texts->texts[t].text),
               with_texts->texts[t].original_perplexity);
  }
  if (tasks) {
    const AverageScore average = average_of(with_tasks->tasks);
    fmt::print("the original on {} task{}: acc {:.2f} %, acc_norm {:.2f} %\n", with_tasks->tasks.size(),
               with_tasks->tasks.size() == 1 ? "" : "s", 100 * average.acc.reference->mean,
               100 * average.acc_norm.reference->mean);
  }
  fmt::print("{}", missing);
  std::vector<std::string> said;
  for (const ComparisonPoint& p : report.points) {
    for (const std::string& note : p.notes) {
      std::string line = p.method + ": " + note;
      if (std::find(said.begin(), said.end(), line) != said.end()) continue;
      fmt::print("{}\n", line);
      said.push_back(std::move(line));
    }
  }
}

}  // namespace

std::function<Status()> add_compare_study(CLI::App& app, Command& command) {
  struct Arguments : StudyArguments {
    ComparisonOptions options;
    std::vector<std::filesystem::path> texts, tasks;
    int64_t limit = 0;
  };
  const auto a = std::make_shared<Arguments>();
  a->options.bits = {2, 3, 4};
  std::string methods;
  for (const std::string& line : describe_methods()) methods += "\n  " + line;
  app.footer("Methods, with their parameters:" + methods);
  app.add_option("model", a->options.model, "The original, plain checkpoint directory")->required()->check(not_empty());
  app.add_option("--methods", a->options.methods, "NAME or NAME:KEY=VALUE:..., several separated by commas")
      ->required()
      ->delimiter(',')
      ->check(not_empty());
  app.add_option("--bits", a->options.bits, "Nominal rates, without side information but for nwcodec's")
      ->delimiter(',')
      ->check(in_range(0.25, 16.0))
      ->capture_default_str();
  app.add_option("--hessians", a->options.hessians, "What nwcodec calibrate wrote")->check(not_empty());
  app.add_option("--text", a->texts, "Run each model on these texts: divergence from the original, perplexity")
      ->check(not_empty());
  app.add_option("--context", a->options.windows.context, "Tokens per window of a text")
      ->check(in_range(int64_t{2}, kManyTokens))
      ->capture_default_str();
  app.add_option("--windows", a->options.windows.max_windows, "Only the first so many windows of a text; 0 means all")
      ->check(in_range(int64_t{0}, kManySequences))
      ->capture_default_str();
  CLI::Option* tasks = app.add_option("--tasks", a->tasks,
                                      "Also let each model choose in these files of multiple-choice items, as eval's "
                                      "--tasks: the average, and its difference from the original on the same items")
                           ->check(not_empty());
  app.add_option("--limit", a->limit, "Only the first so many items of each task; 0 means all")
      ->check(in_range(int64_t{0}, kManySequences))
      ->capture_default_str()
      ->needs(tasks);
  app.add_flag("--keep", a->options.keep, "Keep the checkpoints that methods write, in OUTPUT/checkpoints");
  add_device_option(app, a->options.device_name);
  add_study_options(app, *a, command);
  app.callback([a] {
    for (const std::string& method : a->options.methods) {
      for (const double bits : a->options.bits) {
        const Result<std::unique_ptr<const Method>> made = make_method(method, bits);
        if (!made && made.error().code() == ErrorCode::kInvalidArgument)
          throw CLI::ValidationError("--methods", made.error().to_string());
        if (made && (*made)->needs_hessians() && a->options.hessians.empty())
          throw CLI::ValidationError("--methods", method + " needs --hessians, which nwcodec calibrate writes");
      }
    }
  });
  return [a, &command]() -> Status {
    constexpr const char* kName = "compare";
    ComparisonOptions& o = a->options;
    o.threads = resolve_threads(command.global.threads);
    set_compute_threads(o.threads);
    NWC_ASSIGN_OR_RETURN(o.device, open_device(o.device_name));
    o.codecs = shipped_profile("fast");
    o.output = a->output;
    o.again = a->force;
    std::optional<Tokenizer> tokenizer;
    if (!a->texts.empty() || !a->tasks.empty()) {
      NWC_ASSIGN_OR_RETURN(tokenizer, open_tokenizer(o.model));
      for (const std::filesystem::path& text : a->texts) {
        NWC_ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                             tokenize_file(*tokenizer, text, {.report = {}, .stop = &interrupt_flag()}));
        o.texts.push_back({text, std::move(ids)});
      }
      NWC_ASSIGN_OR_RETURN(o.tasks, read_task_files(a->tasks, a->limit));
      NWC_ASSIGN_OR_RETURN(o.prefix, prefix_token_of(o.model, *tokenizer));
      o.tokenizer = &*tokenizer;
    }
    // The tables are of this run's points; what takes time, the points, are files of their own.
    NWC_ASSIGN_OR_RETURN(const StudyOutput output, StudyOutput::open(a->output, study_files(kName), /*force=*/true));
    Result<ComparisonReport> report = ComparisonReport{};
    {
      ProgressLine line(command.global.quiet);
      report = run_comparison(o, line.progress());
      if (!report) return std::move(report).error();
      for (const std::string& warning : report->warnings) line.note("warning: " + warning);
      if (report->from_earlier_run > 0)
        line.note(fmt::format("{} points are those of an earlier run", report->from_earlier_run));
    }
    if (command.global.json) {
      Json points = Json::array();
      for (const ComparisonPoint& point : report->points) points.push_back(to_json(point));
      print_json({{"points", points}});
    } else {
      print_table(*report);
    }
    return write_study(output, kName, comparison_csv(*report), comparison_svg(*report), command);
  };
}

}  // namespace nwc::cli
