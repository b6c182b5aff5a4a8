#include <fmt/format.h>

#include <memory>

#include "base/json.h"
#include "cli/command.h"
#include "cli/compress/encoding_options.h"
#include "cli/terminal.h"
#include "compress/conversion.h"

namespace nwc::cli {

void add_convert(CLI::App& app, Command& command) {
  const auto options = std::make_shared<ConvertOptions>();
  app.add_option("checkpoint", options->input, "Compressed checkpoint directory")->required()->check(not_empty());
  app.add_option("-o,--output", options->output, "Directory to write")->required()->check(not_empty());
  add_layout_options(app, options->layout);
  app.add_flag("--force", options->force, "Replace the checkpoint that stands in the output directory");
  app.footer(
      "Weights stay the same to the bit, and what was measured of them stays true. Small tiles are decoded sooner on a "
      "GPU, large ones take fewer bytes.");
  add_global_options(app, command);
  command.run = [options, &command]() -> Status {
    options->threads = command.global.threads;
    Result<ConvertReport> report = ConvertReport{};
    {
      ProgressLine line(command.global.quiet);
      report = convert_checkpoint(*options, line.progress());
      if (!report) return std::move(report).error();
      for (const std::string& warning : report->warnings) line.note("warning: " + warning);
    }
    if (command.global.json) {
      const Json json{{"tensors", report->tensors},
                      {"input_bytes", report->input_bytes},
                      {"output_bytes", report->output_bytes},
                      {"warnings", report->warnings}};
      print_json(json);
    } else {
      fmt::print("weight files  {} -> {}, {} tensors with other tiles\n", human_bytes(report->input_bytes),
                 human_bytes(report->output_bytes), report->tensors);
    }
    return {};
  };
}

}  // namespace nwc::cli
