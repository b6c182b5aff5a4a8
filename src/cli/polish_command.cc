#include <algorithm>
#include <memory>
#include <utility>

#include "cli/command.h"
#include "cli/polish_run.h"
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
      report = polish_on_files(a->options, a->texts, a->device, command_text(app), line.progress());
      if (!report) return std::move(report).error();
      for (const std::string& warning : report->warnings) line.note("warning: " + warning);
    }
    if (command.global.json) {
      print_json(to_json(*report));
    } else {
      print_polish(*report);
    }
    return {};
  };
}

}  // namespace nwc::cli
