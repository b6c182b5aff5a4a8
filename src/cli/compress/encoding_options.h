// Options of how tensors become streams, and their defaults once the steps are known.
#pragma once

#include <CLI/CLI.hpp>

#include "compress/compress_defaults.h"
#include "tensor/encode_options.h"
#include "tensor/retiling.h"

namespace nwc::cli {

// Where nothing is given, tiles stay as they are.
void add_layout_options(CLI::App& app, TileLayout& layout);
void add_encoding_options(CLI::App& app, EncodeOptions& options);
// Which of these, and of what goes by the steps, were not given.
OpenOptions open_options(const CLI::App& app);

}  // namespace nwc::cli
