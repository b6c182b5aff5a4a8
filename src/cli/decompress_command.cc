#include <fmt/format.h>

#include <memory>

#include "base/json.h"
#include "cli/command.h"
#include "cli/layer_options.h"
#include "cli/terminal.h"
#include "nwcodec/cuda_checkpoint.h"
#include "nwcodec/decompress.h"

namespace nwc::cli {

void add_decompress(CLI::App& app, Command& command) {
  struct Arguments {
    DecompressOptions options;
    LayerOptions layers;
    std::string dtype, device = "cpu";
  };
  const auto a = std::make_shared<Arguments>();
  app.add_option("checkpoint", a->options.input, "Compressed checkpoint directory")->required()->check(not_empty());
  app.add_option("-o,--output", a->options.output, "Directory to write")->required()->check(not_empty());
  app.add_option("--dtype", a->dtype, "Write all float weights as F32, F16 or BF16 (default: as the original had them)")
      ->transform(CLI::IsMember({"F32", "F16", "BF16"}, CLI::ignore_case));
  app.add_option("--device", a->device, "Decode on cpu, cuda or cuda:NUMBER")->capture_default_str();
  add_layer_options(app, a->layers);
  app.add_flag("--force", a->options.force, "Replace the checkpoint that stands in the output directory");
  add_global_options(app, command);
  command.run = [a, &command]() -> Status {
    if (!a->dtype.empty()) a->options.dtype = dtype_from_name(a->dtype);
    a->options.threads = command.global.threads;
    a->options.layers = a->layers.layers;
    a->options.base = a->layers.base;
    if (a->device != "cpu") {
      NWC_ASSIGN_OR_RETURN(a->options.backend, cuda_decode_backend(a->device, a->options.input));
    }
    Result<DecompressReport> report = DecompressReport{};
    {
      ProgressLine line(command.global.quiet);
      report = decompress_checkpoint(a->options, line.progress());
      if (!report) return std::move(report).error();
      for (const std::string& warning : report->warnings) line.note("warning: " + warning);
    }
    if (command.global.json) {
      const Json json{{"input_bytes", report->input_bytes},
                      {"output_bytes", report->output_bytes},
                      {"saturated", report->saturated},
                      {"flushed", report->flushed},
                      {"warnings", report->warnings}};
      print_json(json);
    } else {
      fmt::print("weight files  {} -> {}\n", human_bytes(report->input_bytes), human_bytes(report->output_bytes));
    }
    return {};
  };
}

}  // namespace nwc::cli
