#include "reproduce/reproduction.h"

#include <algorithm>
#include <optional>
#include <system_error>

#include "base/file.h"
#include "base/json.h"
#include "study/output/csv.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kLargestResult = 16 << 20, kLargestIdentity = 1 << 20;  // bytes
constexpr const char* kIdentityFile = "reproduction.txt";

Json to_json(const ExperimentResult& result) {
  Json panels = Json::array();
  for (const PlotPanel& panel : result.panels) {
    Json series = Json::array();
    for (const PlotSeries& s : panel.series)
      series.push_back({{"label", s.label}, {"line", s.line}, {"points", s.points}});
    panels.push_back({{"title", panel.title}, {"x", panel.x_label}, {"y", panel.y_label}, {"series", series}});
  }
  return {{"missing", result.missing}, {"table", result.table}, {"panels", panels}, {"remarks", result.remarks}};
}

Result<ExperimentResult> result_from(const Json& json) {
  try {
    ExperimentResult result{.missing = json.at("missing").get<std::string>(),
                            .table = json.at("table").get<std::vector<std::vector<std::string>>>(),
                            .panels = {},
                            .remarks = json.at("remarks").get<std::vector<std::string>>()};
    for (const Json& panel : json.at("panels")) {
      PlotPanel& p = result.panels.emplace_back(PlotPanel{panel.at("title").get<std::string>(),
                                                          panel.at("x").get<std::string>(),
                                                          panel.at("y").get<std::string>(),
                                                          {}});
      for (const Json& series : panel.at("series")) {
        p.series.push_back({series.at("label").get<std::string>(),
                            series.at("points").get<std::vector<std::pair<double, double>>>(),
                            series.at("line").get<bool>()});
      }
    }
    return result;
  } catch (const Json::exception& e) {
    return Error(ErrorCode::kCorrupt, std::string("not a result of an experiment: ") + e.what());
  }
}

// That the output is this reproduction's, or nobody's.
Status claim(const ReproductionOptions& options, const RunIdentity& identity) {
  const fs::path file = options.output / kIdentityFile;
  std::error_code failed;
  if (fs::exists(file, failed)) {
    NWC_ASSIGN_OR_RETURN(const std::string text, read_text_file(file, kLargestIdentity));
    const std::string difference = RunIdentity::difference(text, identity.text());
    if (!difference.empty() && !options.again) {
      return Error(ErrorCode::kExists, "belongs to another reproduction: it " + difference)
          .in_file(file.string())
          .remedy("choose another output, or --force");
    }
    if (options.again) {
      fs::remove_all(options.output / "work", failed);
      fs::remove_all(options.output / "experiments", failed);
    }
  }
  fs::create_directories(options.output / "experiments", failed);
  if (failed) return Error(ErrorCode::kIo, failed.message()).in_file(options.output.string());
  return write_file(file, identity.text());
}

Status write_outputs(const fs::path& output, const FinishedExperiment& done) {
  const std::string name = file_name_of(*done.experiment);
  if (!done.result.table.empty())
    NWC_RETURN_IF_ERROR(write_file(output / (name + ".csv"), format_csv(done.result.table)));
  if (done.result.panels.empty()) return {};
  return write_file(output / (name + ".svg"), render_svg(done.experiment->name, done.result.panels, 2));
}

Result<FinishedExperiment> run_one(const Experiment& experiment, Bench& bench, const Progress& progress) {
  FinishedExperiment done{.experiment = &experiment, .result = {}, .error = {}};
  const fs::path file = bench.options().output / "experiments" / (file_name_of(experiment) + ".json");
  std::error_code ignored;
  if (fs::exists(file, ignored)) {
    NWC_ASSIGN_OR_RETURN(const std::string text, read_text_file(file, kLargestResult));
    NWC_ASSIGN_OR_RETURN(const Json json, parse_json(text));
    NWC_ASSIGN_OR_RETURN(done.result, result_from(json));
    done.from_earlier_run = true;
    return done;
  }
  if (experiment.run == nullptr) {
    done.result = nothing_because(experiment.not_built);
    return done;
  }
  Result<ExperimentResult> result = experiment.run(bench, progress);
  if (!result && result.error().code() == ErrorCode::kInterrupted) return std::move(result).error();
  if (!result) {
    done.error = result.error().to_string();
    return done;
  }
  done.result = *std::move(result);
  NWC_RETURN_IF_ERROR(
      write_file(file, to_json(done.result).dump(1, ' ', false, Json::error_handler_t::replace) + "\n"));
  return done;
}

}  // namespace

size_t ReproductionReport::failed() const {
  return static_cast<size_t>(std::count_if(experiments.begin(), experiments.end(),
                                           [](const FinishedExperiment& done) { return !done.error.empty(); }));
}

Result<ReproductionReport> run_reproduction(const ReproductionOptions& options, const Progress& progress) {
  for (const std::string& name : options.only) {
    const bool known = std::any_of(experiments().begin(), experiments().end(),
                                   [&](const Experiment& e) { return file_name_of(e) == name; });
    if (!known) return Error(ErrorCode::kInvalidArgument, "there is no experiment " + name);
  }
  NWC_ASSIGN_OR_RETURN(const std::unique_ptr<Bench> bench, Bench::open(options, progress));
  NWC_RETURN_IF_ERROR(claim(options, bench->identity()));
  std::error_code ignored;
  ReproductionReport report{.model = fs::weakly_canonical(options.model, ignored).filename().string(),
                            .profile = options.profile.name,
                            .experiments = {}};
  for (const Experiment& experiment : experiments()) {
    const std::string name = file_name_of(experiment);
    if (!options.only.empty() && std::find(options.only.begin(), options.only.end(), name) == options.only.end())
      continue;
    const Progress named{[&](uint64_t done, uint64_t total, const std::string& what) {
                           progress.at(done, total, std::string(experiment.name) + ": " + what);
                         },
                         progress.stop};
    NWC_ASSIGN_OR_RETURN(FinishedExperiment done, run_one(experiment, *bench, named));
    NWC_RETURN_IF_ERROR(write_outputs(options.output, done));
    report.experiments.push_back(std::move(done));
    NWC_RETURN_IF_ERROR(write_file(options.output / "index.html", reproduction_html(report)));
  }
  return report;
}

}  // namespace nwc
