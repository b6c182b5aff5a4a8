#include "cli/layer_options.h"

#include "cli/command.h"
#include "format/difference.h"

namespace nwc::cli {

void add_layer_options(CLI::App& app, LayerOptions& options) {
  app.add_option("--layers", options.layers,
                 "Of a progressive checkpoint: read its base and one refinement less than this (default: all)")
      ->check(in_range(1u, kMostLayers));
  app.add_option("--base", options.base, "Of a delta: the directory of its base (default: where the delta says)")
      ->check(not_empty());
}

}  // namespace nwc::cli
