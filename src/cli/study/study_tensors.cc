#include <fmt/format.h>

#include <algorithm>

#include "baselines/rate_point.h"
#include "cli/study/study_command.h"
#include "cli/terminal.h"
#include "study/tensor_study.h"

namespace nwc::cli {
namespace {

Json to_json(const TensorStudyReport& report) {
  Json tensors = Json::array();
  for (const TensorQuality& t : report.tensors) {
    tensors.push_back({{"name", t.name},
                       {"block", t.depth},
                       {"type", t.type},
                       {"shape", t.shape},
                       {"weights", t.weights},
                       {"payload_bits_per_weight", t.payload_bits},
                       {"bits_per_weight", t.bits},
                       {"nmse", t.nmse},
                       {"ecsq_nmse", t.ecsq_nmse},
                       {"db_over_ecsq", t.over_ecsq()},
                       {"ecsq_centroid_nmse", t.ecsq_centroid_nmse},
                       {"db_over_ecsq_centroid", t.over_ecsq_centroid()},
                       {"gap_to_gaussian_bound_db", t.gap()},
                       {"largest_error_steps", t.largest_error}});
  }
  return {{"tensors", tensors}};
}

void print_table(const TensorStudyReport& report) {
  std::vector<std::vector<std::string>> rows{{"tensor", "payload bits", "with side", "NMSE dB", "ECSQ dB", "over ECSQ",
                                              "centroids", "gap dB", "largest error"}};
  for (const TensorQuality& t : report.tensors) {
    rows.push_back({printable(t.name), fmt::format("{:.4f}", t.payload_bits), fmt::format("{:.4f}", t.bits),
                    fmt::format("{:.3f}", decibels(t.nmse)), fmt::format("{:.3f}", decibels(t.ecsq_nmse)),
                    fmt::format("{:+.3f}", t.over_ecsq()), fmt::format("{:+.3f}", t.over_ecsq_centroid()),
                    fmt::format("{:.3f}", t.gap()), fmt::format("{:.2f} steps", t.largest_error)});
  }
  fmt::print("{}\n", format_table(rows));
  const auto print_worst = [&](const char* what, const auto& value, const char* unit, bool sign) {
    const auto worst =
        std::max_element(report.tensors.begin(), report.tensors.end(),
                         [&](const TensorQuality& a, const TensorQuality& b) { return value(a) < value(b); });
    fmt::print("{}  {}{:.3f} {}  {}\n", what, sign && value(*worst) >= 0 ? "+" : "", value(*worst), unit,
               printable(worst->name));
  };
  print_worst(
      "farthest from ideal ECSQ, midpoints ", [](const TensorQuality& t) { return t.over_ecsq(); }, "dB   ", true);
  print_worst(
      "farthest from ideal ECSQ, centroids ", [](const TensorQuality& t) { return t.over_ecsq_centroid(); }, "dB   ",
      true);
  print_worst(
      "largest error of a weight           ", [](const TensorQuality& t) { return t.largest_error; }, "steps", false);
}

}  // namespace

std::function<Status()> add_tensor_study(CLI::App& app, Command& command) {
  struct Arguments : StudyArguments {
    TensorStudyOptions options;
  };
  const auto a = std::make_shared<Arguments>();
  app.add_option("model", a->options.model, "The original, plain checkpoint directory")->required()->check(not_empty());
  app.add_option("--compressed", a->options.compressed, "What `nwcodec compress` made of it")
      ->required()
      ->check(not_empty());
  add_study_options(app, *a, command);
  return [a, &command]() -> Status {
    constexpr const char* kName = "tensors";
    a->options.threads = command.global.threads;
    NWC_ASSIGN_OR_RETURN(const StudyOutput output, StudyOutput::open(a->output, study_files(kName), a->force));
    Result<TensorStudyReport> report = TensorStudyReport{};
    {
      ProgressLine line(command.global.quiet);
      report = run_tensor_study(a->options, line.progress());
    }
    if (!report) return std::move(report).error();
    command.global.json ? print_json(to_json(*report)) : print_table(*report);
    return write_study(output, kName, tensor_study_csv(*report), tensor_study_svg(*report), command);
  };
}

}  // namespace nwc::cli
