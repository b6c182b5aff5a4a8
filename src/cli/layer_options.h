// Which layers of a progressive checkpoint, and which base of a delta, a command reads.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>

namespace nwc::cli {

struct LayerOptions {
  std::optional<unsigned> layers;  // none: all that are there
  std::filesystem::path base;      // empty: where the delta says
};

void add_layer_options(CLI::App& app, LayerOptions& options);

}  // namespace nwc::cli
