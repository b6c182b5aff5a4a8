#include <fmt/format.h>

#include <memory>

#include "base/json.h"
#include "calibrate/calibrate.h"
#include "cli/command.h"
#include "cli/team_end.h"
#include "cli/terminal.h"
#include "cli/text_calibration.h"
#include "libtorch/device_list.h"
#include "team/team.h"

namespace nwc::cli {
namespace {

struct Arguments {
  CalibrateOptions options;
  std::vector<std::filesystem::path> texts, merge;
  std::filesystem::path images;
  std::string device = "cpu";
};

Result<CalibrateReport> calibrate_on_files(Arguments& a, Team& team, const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(const std::vector<ModelDevice> devices, open_devices(a.device, team.local_rank()));
  a.options.device = devices[0];
  a.options.more_devices.assign(devices.begin() + 1, devices.end());
  if (!a.images.empty()) return calibrate_encoder(a.options, a.images, progress, &team);
  NWC_ASSIGN_OR_RETURN(const TokenisedTexts tokenised, tokenise_texts(a.options.model, a.texts, progress));
  Result<CalibrateReport> report = calibrate(a.options, tokenised.texts, progress, &team);
  if (report) report->warnings.insert(report->warnings.begin(), tokenised.warnings.begin(), tokenised.warnings.end());
  return report;
}

Json to_json(const CalibrateReport& r) {
  return {{"sequences", r.sequences},
          {"tokens", r.tokens},
          {"blocks", r.blocks},
          {"blocks_from_earlier_run", r.blocks_from_earlier_run},
          {"hessians", r.hessians},
          {"gradients", r.gradients},
          {"sequences_without_gradient", r.sequences_without_gradient},
          {"warnings", r.warnings}};
}

Status merge_all(const Arguments& a, const GlobalOptions& global) {
  NWC_ASSIGN_OR_RETURN(const MergeReport report, merge_calibrations(a.merge, a.options.output, a.options.force));
  {
    ProgressLine line(global.quiet);
    for (const std::string& warning : report.warnings) line.note("warning: " + warning);
  }
  if (global.json) {
    print_json({{"blocks", report.blocks},
                {"blocks_from_earlier_run", report.blocks_from_earlier_run},
                {"warnings", report.warnings}});
  }
  return {};
}

}  // namespace

void add_calibrate(CLI::App& app, Command& command) {
  const auto a = std::make_shared<Arguments>();
  CLI::Option* model = app.add_option("model", a->options.model, "Checkpoint directory, for --text with tokenizer.json")
                           ->check(not_empty());
  CLI::Option* text =
      app.add_option("--text", a->texts, "Text files to calibrate on; self is a text that the model writes itself")
          ->check(not_empty());
  app.add_option("-o,--output", a->options.output, "Directory to write Hessians to")->required()->check(not_empty());
  CLI::Option* images =
      app.add_option("--images", a->images,
                     "For encoders instead: a safetensors file with pixel_values, and input_ids for a text tower")
          ->check(not_empty());
  CLI::Option* sequences = app.add_option("--sequences", a->options.sequences, "Sequences of each text")
                               ->check(in_range(int64_t{1}, kManySequences))
                               ->capture_default_str();
  CLI::Option* length = app.add_option("--length", a->options.length, "Tokens per sequence")
                            ->check(in_range(int64_t{1}, kManyTokens))
                            ->capture_default_str();
  app.add_option("--seed", a->options.seed, "Which sequences are drawn, and which labels for gradients")
      ->check(any_seed())
      ->capture_default_str();
  CLI::Option* merge =
      app.add_option("--merge", a->merge, "Combine these calibrations of one model instead")->check(not_empty());
  a->options.gradients = true;
  CLI::Option* gradients =
      app.add_flag("--gradients,!--no-gradients", a->options.gradients,
                   "Walk backwards too, as by default: how much the model feels each output of each layer");
  a->options.outputs = true;
  CLI::Option* outputs =
      app.add_flag("--output-side,!--no-output-side", a->options.outputs,
                   "With gradients, keep too how errors of a layer's outputs work together, for two-sided feedback");
  merge->excludes(model)->excludes(text)->excludes(images)->excludes(gradients)->excludes(outputs);
  images->excludes(text)->excludes(sequences)->excludes(length);
  app.add_flag("--force", a->options.force, "Replace the calibration that stands in the output directory");
  app.add_option("--device", a->device, "Compute on cpu, cuda, cuda:NUMBER, cuda:NUMBER,NUMBER... or cuda:all")
      ->capture_default_str();
  add_global_options(app, command);
  app.callback([a, outputs] {
    if (!a->merge.empty()) return;
    if (!a->options.gradients) {
      if (outputs->count() > 0 && a->options.outputs)
        throw CLI::ValidationError("--output-side", "asks for gradients: leave out --no-gradients");
      a->options.outputs = false;
    }
    // --text takes all words up to the next option, so also a model behind its files. A directory is no text.
    std::error_code failure;
    if (a->options.model.empty() && a->texts.size() > 1 && std::filesystem::is_directory(a->texts.back(), failure)) {
      a->options.model = a->texts.back();
      a->texts.pop_back();
    }
    if (a->options.model.empty()) throw CLI::RequiredError("model");
    if (a->texts.empty() && a->images.empty()) throw CLI::RequiredError("--text");
  });
  command.run = [a, &command]() -> Status {
    if (!a->merge.empty()) return merge_all(*a, command.global);
    a->options.threads = command.global.threads;
    NWC_ASSIGN_OR_RETURN(const std::unique_ptr<Team> team, join_team());
    Result<CalibrateReport> report = CalibrateReport{};
    {
      ProgressLine line(command.global.quiet || !team->leads());
      report = calibrate_on_files(*a, *team, line.progress());
      if (!report) return end_all(*team, std::move(report).error());
      for (const std::string& warning : report->warnings) line.note("warning: " + warning);
    }
    if (!team->leads()) return {};
    if (command.global.json) {
      print_json(to_json(*report));
    } else {
      if (report->blocks_from_earlier_run > 0)
        fmt::print("{} blocks kept from an interrupted run\n", report->blocks_from_earlier_run);
      fmt::print("{} {}, {} {}; {} Hessians of {} blocks{}\n", report->sequences,
                 a->images.empty() ? "sequences" : "images and texts", report->tokens,
                 a->images.empty() ? "tokens" : "positions", report->hessians, report->blocks,
                 report->gradients ? ", with gradients" : "");
    }
    return {};
  };
}

}  // namespace nwc::cli
