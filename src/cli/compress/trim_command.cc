#include <fmt/format.h>

#include <memory>

#include "base/json.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "compress/layers/trimming.h"
#include "format/difference.h"

namespace nwc::cli {

void add_trim(CLI::App& app, Command& command) {
  const auto options = std::make_shared<TrimOptions>();
  app.add_option("checkpoint", options->input, "Compressed checkpoint directory")->required()->check(not_empty());
  app.add_option("-o,--output", options->output, "Directory to write")->required()->check(not_empty());
  app.add_option("--layers", options->layers, "How many of its layers to keep: 1 for the base alone")
      ->required()
      ->check(in_range(1u, kMostLayers));
  app.add_option("--base", options->base, "Of a delta: the directory of its base (default: where the delta says)")
      ->check(not_empty());
  app.add_flag("--force", options->force, "Replace the checkpoint that stands in the output directory");
  app.footer("Files are copied as they are. Deleting the folders of the last refinements does the same in place.");
  add_global_options(app, command);
  command.run = [options, &command]() -> Status {
    options->threads = command.global.threads;
    Result<TrimReport> report = TrimReport{};
    {
      ProgressLine line(command.global.quiet);
      report = trim_checkpoint(*options, line.progress());
      if (!report) return std::move(report).error();
      for (const std::string& warning : report->warnings) line.note("warning: " + warning);
    }
    if (command.global.json) {
      print_json(Json{{"layers_before", report->layers_before},
                      {"layers", options->layers},
                      {"input_bytes", report->input_bytes},
                      {"output_bytes", report->output_bytes},
                      {"warnings", report->warnings}});
    } else {
      fmt::print("weight files  {} -> {}, {} of {} layers\n", human_bytes(report->input_bytes),
                 human_bytes(report->output_bytes), options->layers, report->layers_before);
    }
    return {};
  };
}

}  // namespace nwc::cli
