#include <fmt/format.h>

#include <algorithm>

#include "cli/shipped_codecs.h"
#include "cli/study/study_command.h"
#include "cli/terminal.h"
#include "study/statistics_study.h"

namespace nwc::cli {
namespace {

Json to_json(const StatisticsReport& report) {
  Json tensors = Json::array();
  for (const TensorStatistics& t : report.tensors) {
    Json stages = Json::object();
    for (const StageStatistics& s : t.stages) {
      stages[s.stage] = {{"count", s.moments.count},         {"mean", s.moments.mean},
                         {"deviation", s.moments.deviation}, {"excess_kurtosis", s.moments.excess_kurtosis},
                         {"max_sigma", s.moments.max_sigma}, {"share_beyond_3_sigma", s.moments.share_beyond_3}};
    }
    tensors.push_back({{"name", t.name},
                       {"block", t.depth},
                       {"type", t.type},
                       {"shape", t.shape},
                       {"rows_used", t.rows_used},
                       {"stages", stages}});
  }
  return {{"tensors", tensors}};
}

void print_table(const StatisticsReport& report) {
  std::vector<std::vector<std::string>> rows{
      {"tensor", "shape", "deviation", "kurtosis", "max", "> 3 sigma", "normalised", "Hadamard", "latents"}};
  for (const TensorStatistics& t : report.tensors) {
    const Moments& m = t.at("original");
    rows.push_back({printable(t.name), shape_text(t.shape), fmt::format("{:.5f}", m.deviation),
                    fmt::format("{:.2f}", m.excess_kurtosis), fmt::format("{:.2f}", m.max_sigma),
                    fmt::format("{:.2f} %", 100 * m.share_beyond_3),
                    fmt::format("{:.2f}", t.at("normalised").excess_kurtosis),
                    fmt::format("{:.2f}", t.at("hadamard").excess_kurtosis),
                    fmt::format("{:.2f}", t.at("latents").excess_kurtosis)});
  }
  fmt::print("{}\n", format_table(rows));
  rows = {{"stage", "mean kurtosis", "largest", "mean max", "largest", "mean > 3 sigma"}};
  const double count = static_cast<double>(report.tensors.size());
  for (size_t s = 0; s < report.tensors.front().stages.size(); ++s) {
    double kurtosis = 0, worst_kurtosis = -2, sigma = 0, worst_sigma = 0, share = 0;
    for (const TensorStatistics& t : report.tensors) {
      const Moments& m = t.stages[s].moments;
      kurtosis += m.excess_kurtosis / count;
      sigma += m.max_sigma / count;
      share += m.share_beyond_3 / count;
      worst_kurtosis = std::max(worst_kurtosis, m.excess_kurtosis);
      worst_sigma = std::max(worst_sigma, m.max_sigma);
    }
    rows.push_back({report.tensors.front().stages[s].stage, fmt::format("{:.3f}", kurtosis),
                    fmt::format("{:.3f}", worst_kurtosis), fmt::format("{:.2f}", sigma),
                    fmt::format("{:.2f}", worst_sigma), fmt::format("{:.3f} %", 100 * share)});
  }
  fmt::print("{}\n", format_table(rows));
}

}  // namespace

std::function<Status()> add_statistics_study(CLI::App& app, Command& command) {
  struct Arguments : StudyArguments {
    StatisticsOptions options;
    std::string codec = kDefaultCodec;
  };
  const auto a = std::make_shared<Arguments>();
  app.add_option("model", a->options.model, "Plain checkpoint directory")->required()->check(not_empty());
  app.add_option("--codec", a->codec, "Codec whose latents are measured: a file, or the name of a shipped one")
      ->check(not_empty())
      ->capture_default_str();
  app.add_option("--rows", a->options.rows,
                 "Rows of a tensor that are measured at most, in stripes of 16 spread evenly")
      ->check(in_range(uint64_t{16}, UINT64_MAX))
      ->capture_default_str();
  app.add_option("--seed", a->options.seed, "Seed of rotations and signs")->check(any_seed())->capture_default_str();
  app.add_option("--include", a->options.selection.include,
                 "Also measure tensors in whose name this regular expression (Perl syntax) matches")
      ->allow_extra_args(false);
  app.add_option("--exclude", a->options.selection.exclude,
                 "Leave out tensors in whose name this regular expression (Perl syntax) matches")
      ->allow_extra_args(false);
  add_study_options(app, *a, command);
  return [a, &command]() -> Status {
    constexpr const char* kName = "statistics";
    a->options.threads = command.global.threads;
    NWC_ASSIGN_OR_RETURN(a->options.codec, find_codec(a->codec));
    NWC_ASSIGN_OR_RETURN(const StudyOutput output, StudyOutput::open(a->output, study_files(kName), a->force));
    Result<StatisticsReport> report = StatisticsReport{};
    {
      ProgressLine line(command.global.quiet);
      report = run_statistics_study(a->options, line.progress());
    }
    if (!report) return std::move(report).error();
    command.global.json ? print_json(to_json(*report)) : print_table(*report);
    return write_study(output, kName, statistics_csv(*report), statistics_svg(*report), command);
  };
}

}  // namespace nwc::cli
