// nwcodec-decode: what needs the decode library alone, for machines that have nothing else.
#include <fmt/format.h>

#include <memory>

#include "cli/layer_options.h"
#include "cli/program.h"
#include "cli/size_report.h"

namespace nwc::cli {
namespace {

// Sizes alone: the list of tensors as JSON, and what was measured, need more than the decode library.
void add_sizes(CLI::App& app, Command& command) {
  struct Arguments {
    std::filesystem::path directory;
    bool verify = false;
    LayerOptions layers;
  };
  const auto a = std::make_shared<Arguments>();
  app.add_option("checkpoint", a->directory, "Compressed checkpoint directory")->required()->check(not_empty());
  app.add_flag("--verify", a->verify, "Also check every byte against its checksum");
  add_layer_options(app, a->layers);
  add_global_options(app, command);
  command.run = [a, &command]() -> Status {
    NWC_ASSIGN_OR_RETURN(
        const CheckpointReport report,
        inspect_checkpoint(a->directory, a->verify, {.layers = a->layers.layers, .base = a->layers.base}));
    if (command.global.json) {
      print_json(sizes_json(report));
    } else {
      print_warnings(report, command.global.quiet);
      print_sizes(report);
    }
    return {};
  };
}

}  // namespace
}  // namespace nwc::cli

int main(int argc, char** argv) {
  using namespace nwc::cli;
  return run_program({.name = "nwcodec-decode",
                      .description = "Decodes what nwcodec compressed.",
                      .commands = {{"decompress", "Turn a compressed checkpoint back into a plain one", add_decompress},
                                   {"inspect", "Show what a compressed checkpoint consists of", add_sizes}}},
                     argc, argv);
}
