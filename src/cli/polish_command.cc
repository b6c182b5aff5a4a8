#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/json.h"
#include "cli/command.h"
#include "cli/decode_backend.h"
#include "cli/quality_record.h"
#include "cli/terminal.h"
#include "cli/text_calibration.h"
#include "polish/polish.h"

namespace nwc::cli {
namespace {

struct Arguments {
  PolishOptions options;
  std::vector<std::filesystem::path> texts;
  std::string device = "cpu";
};

// Of the held-out windows, evenly spread.
constexpr int64_t kWindows = 16;
std::vector<int32_t> some_windows(const std::vector<int32_t>& held_out, int64_t length) {
  const int64_t all = static_cast<int64_t>(held_out.size()) / length, count = std::min(all, kWindows);
  std::vector<int32_t> some;
  for (int64_t i = 0; i < count; ++i) {
    const auto first = held_out.begin() + i * all / count * length;
    some.insert(some.end(), first, first + length);
  }
  return some;
}

Result<PolishReport> polish_on_files(Arguments& a, const std::string& command, const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(a.options.device, open_device(a.device));
  NWC_ASSIGN_OR_RETURN(a.options.backend, decode_backend_for(a.options.device, a.options.compressed));
  NWC_ASSIGN_OR_RETURN(TokenisedTexts tokenised, tokenise_texts(a.options.compressed, a.texts, progress));
  const std::vector<int32_t> held_out = some_windows(hold_out(tokenised.texts, a.options.length), a.options.length);
  std::vector<std::vector<int32_t>> texts;
  for (CalibrationText& text : tokenised.texts) texts.push_back(std::move(text.ids));
  a.options.before_finish = [&](const std::filesystem::path& output, const DivergenceResult& measured) -> Status {
    NWC_ASSIGN_OR_RETURN(const MeasuredQuality quality, quality_of(measured, a.texts, command));
    return write_measured_quality(output, quality);
  };
  Result<PolishReport> report = polish(a.options, texts, held_out, progress);
  if (report) report->warnings.insert(report->warnings.begin(), tokenised.warnings.begin(), tokenised.warnings.end());
  return report;
}

Json report_json(const PolishReport& r) {
  return {{"changed", r.changed},
          {"factors", r.factors},
          {"steps", r.steps},
          {"steps_from_earlier_run", r.steps_from_earlier_run},
          {"correction_bits", r.correction_bits},
          {"input_bytes", r.input_bytes},
          {"output_bytes", r.output_bytes},
          {"before", to_json(r.before, /*own=*/false)},
          {"after", to_json(r.after, /*own=*/false)},
          {"warnings", r.warnings}};
}

double change(double before, double after) { return before > 0 ? 100 * (after / before - 1) : 0.0; }

void print_report(const PolishReport& r) {
  if (r.steps_from_earlier_run > 0) fmt::print("{} steps kept from an interrupted run\n", r.steps_from_earlier_run);
  fmt::print("{} factors, {} steps\n", r.factors, r.steps);
  fmt::print("on text held out         KL divergence {:.5f} -> {:.5f} nats per token ({:+.1f} %), {} windows of {}\n",
             r.before.mean_kl, r.after.mean_kl, change(r.before.mean_kl, r.after.mean_kl), r.before.windows,
             r.before.context);
  fmt::print("weight files             {} -> {} ({:+.3f} %)\n", human_bytes(r.input_bytes), human_bytes(r.output_bytes),
             change(static_cast<double>(r.input_bytes), static_cast<double>(r.output_bytes)));
  if (!r.changed) fmt::print("nothing changed: no state was better on the text held out\n");
}

}  // namespace

void add_polish(CLI::App& app, Command& command) {
  const auto a = std::make_shared<Arguments>();
  CLI::Option* checkpoint =
      app.add_option("checkpoint", a->options.compressed, "Compressed checkpoint directory")->check(not_empty());
  app.add_option("--reference", a->options.reference, "The checkpoint that it was made from")
      ->required()
      ->check(not_empty());
  app.add_option("--text", a->texts, "Text files to train on; the last tenth of each is held out")
      ->required()
      ->check(not_empty());
  app.add_option("-o,--output", a->options.output, "Directory to write")->required()->check(not_empty());
  app.add_option("--steps", a->options.steps, "Steps of training, at most")
      ->check(in_range(int64_t{1}, int64_t{1000000}))
      ->capture_default_str();
  app.add_option("--batch", a->options.batch, "Sequences per step, of each text in turn")
      ->check(in_range(int64_t{1}, int64_t{65536}))
      ->capture_default_str();
  app.add_option("--length", a->options.length, "Tokens per sequence, and of a window held out")
      ->check(in_range(int64_t{2}, kManyTokens))
      ->capture_default_str();
  app.add_option("--rate", a->options.rate,
                 "Octaves that a factor moves per step, at most (default: by the divergence before)")
      ->check(in_range(1e-9, 1.0));
  app.add_option("--growth", a->options.growth, "Share by which the weight files may grow: decides the precision")
      ->check(in_range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--seed", a->options.seed, "Which sequences are drawn")->check(any_seed())->capture_default_str();
  add_device_option(app, a->device);
  app.add_flag("--force", a->options.force, "Replace the checkpoint that stands in the output directory");
  add_global_options(app, command);
  app.callback([a, checkpoint] {
    // --text takes all words up to the next option, so also a checkpoint behind its files. A directory is no text.
    std::error_code failure;
    if (checkpoint->count() == 0 && a->texts.size() > 1 && std::filesystem::is_directory(a->texts.back(), failure)) {
      a->options.compressed = a->texts.back();
      a->texts.pop_back();
    }
    if (a->options.compressed.empty()) throw CLI::RequiredError("checkpoint");
    if (std::find(a->texts.begin(), a->texts.end(), kOwnText) != a->texts.end())
      throw CLI::ValidationError("--text", "the model's own text is not for polishing: name a file (./self)");
  });
  command.run = [a, &app, &command]() -> Status {
    a->options.threads = command.global.threads;
    Result<PolishReport> report = PolishReport{};
    {
      ProgressLine line(command.global.quiet);
      report = polish_on_files(*a, command_text(app), line.progress());
      if (!report) return std::move(report).error();
      for (const std::string& warning : report->warnings) line.note("warning: " + warning);
    }
    if (command.global.json) {
      print_json(report_json(*report));
    } else {
      print_report(*report);
    }
    return {};
  };
}

}  // namespace nwc::cli
