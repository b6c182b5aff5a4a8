#include <fmt/format.h>

#include <algorithm>

#include "cli/shipped_codecs.h"
#include "cli/study/study_command.h"
#include "cli/terminal.h"
#include "study/rate_distortion_study.h"

namespace nwc::cli {
namespace {

Json to_json(const RateDistortionReport& report) {
  Json points = Json::array();
  for (const RateDistortionPoint& p : report.points) {
    points.push_back({{"source", p.source},
                      {"hadamard", p.hadamard},
                      {"method", p.method},
                      {"nominal_bits", p.nominal_bits == 0 ? Json() : Json(p.nominal_bits)},
                      {"bits", p.point.bits},
                      {"nmse", p.point.nmse},
                      {"nmse_db", decibels(p.point.nmse)},
                      {"gap_to_gaussian_bound_db", gap_decibels(p.point)},
                      {"db_over_uniform_ecsq", p.over_ecsq},
                      {"samples", p.samples},
                      {"detail", p.detail}});
  }
  return {{"points", points}};
}

// One table per source: a row per method, a column per rate, in each the gap; then our codecs, whose rates are their
// own.
void print_source(const std::vector<RateDistortionPoint>& points, unsigned largest_bits) {
  const RateDistortionPoint& any = points.front();
  fmt::print("{}{}: gap to the Gaussian bound in dB\n", printable(any.source),
             any.hadamard ? " after a random Hadamard transform" : "");
  std::vector<std::vector<std::string>> rows{{"method"}},
      codecs{{"codec", "bits", "NMSE dB", "gap dB", "over uniform ECSQ"}};
  for (unsigned bits = 1; bits <= largest_bits; ++bits) rows[0].push_back(fmt::format("{} bits", bits));
  for (const RateDistortionPoint& p : points) {
    if (p.nominal_bits == 0) {
      codecs.push_back({printable(p.detail.substr(0, p.detail.find(','))), fmt::format("{:.3f}", p.point.bits),
                        fmt::format("{:.3f}", decibels(p.point.nmse)), fmt::format("{:.3f}", gap_decibels(p.point)),
                        fmt::format("{:+.3f}", p.over_ecsq)});
      continue;
    }
    auto row =
        std::find_if(rows.begin(), rows.end(), [&](const std::vector<std::string>& r) { return r[0] == p.method; });
    if (row == rows.end()) {
      rows.emplace_back(largest_bits + 1, "")[0] = p.method;
      row = rows.end() - 1;
    }
    (*row)[p.nominal_bits] = fmt::format("{:.3f}", gap_decibels(p.point));
  }
  fmt::print("{}\n", format_table(rows));
  if (codecs.size() > 1) fmt::print("{}\n", format_table(codecs));
}

void print_tables(const RateDistortionReport& report, unsigned largest_bits) {
  std::vector<RateDistortionPoint> points;
  for (size_t i = 0; i < report.points.size(); ++i) {
    points.push_back(report.points[i]);
    const bool last = i + 1 == report.points.size() || report.points[i + 1].source != points[0].source ||
                      report.points[i + 1].hadamard != points[0].hadamard;
    if (!last) continue;
    print_source(points, largest_bits);
    points.clear();
  }
}

}  // namespace

std::function<Status()> add_rate_distortion_study(CLI::App& app, Command& command) {
  struct Arguments : StudyArguments {
    RateDistortionOptions options;
    std::string model;
    std::vector<std::string> codecs;
  };
  const auto a = std::make_shared<Arguments>();
  RateDistortionOptions& o = a->options;
  app.add_option("--model", a->model, "Plain checkpoint, one tensor of which is a source too")->check(not_empty());
  app.add_option("--tensor", o.tensor, "Which tensor of it; the first query projection if not given")
      ->check(not_empty());
  app.add_option(
         "--codec", a->codecs,
         "Codec to measure, a file or the name of a shipped one; may be given several times. All fast-* if not given")
      ->allow_extra_args(false)
      ->check(not_empty());
  app.add_option("--samples", o.samples, "Weights per source")
      ->check(in_range(kFewestSamples, kMostSamples))
      ->capture_default_str();
  app.add_option("--bits", o.largest_bits, "Curves go from 1 bit to this")
      ->check(in_range(1u, 6u))
      ->capture_default_str();
  app.add_option("--trellis-states", o.trellis.state_bits,
                 "State bits of the trellis codes (QTIP's L); time doubles with each")
      ->check(in_range(10u, 20u))
      ->capture_default_str();
  app.add_option("--trellis-samples", o.trellis.samples,
                 "Weights that the trellis codes quantise, spread evenly over the source: fewer than the others, "
                 "because each costs 2^L operations; 0 leaves them out")
      ->check(in_range(uint64_t{0}, kMostSamples))
      ->capture_default_str();
  app.add_flag("--tail-biting", o.trellis.tail_biting,
               "Trellis paths end where they began, as in QTIP: exactly k bits a weight, twice the time");
  app.add_option("--seed", o.seed, "Seed of sources, codebooks and signs")->check(any_seed())->capture_default_str();
  add_study_options(app, *a, command);
  return [a, &command]() -> Status {
    constexpr const char* kName = "rate-distortion";
    RateDistortionOptions& options = a->options;
    options.threads = command.global.threads;
    if (!a->model.empty()) options.model = a->model;
    if (a->model.empty() && !options.tensor.empty())
      return Error(ErrorCode::kInvalidArgument, "--tensor needs --model");
    options.codecs = a->codecs.empty() ? shipped_profile("fast") : std::vector<std::filesystem::path>();
    for (const std::string& text : a->codecs) {
      NWC_ASSIGN_OR_RETURN(options.codecs.emplace_back(), find_codec(text));
    }
    NWC_ASSIGN_OR_RETURN(const StudyOutput output, StudyOutput::open(a->output, study_files(kName), a->force));
    Result<RateDistortionReport> report = RateDistortionReport{};
    {
      ProgressLine line(command.global.quiet);
      report = run_rate_distortion_study(options, line.progress());
    }
    if (!report) return std::move(report).error();
    command.global.json ? print_json(to_json(*report)) : print_tables(*report, options.largest_bits);
    return write_study(output, kName, rate_distortion_csv(*report), rate_distortion_svg(*report), command);
  };
}

}  // namespace nwc::cli
