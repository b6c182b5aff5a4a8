// Options of how tensors become streams, and their defaults once the steps are known.
#pragma once

#include <CLI/CLI.hpp>

#include "guide/guide.h"
#include "nwcodec/result.h"
#include "tensor/encode_options.h"

namespace nwc::cli {

void add_encoding_options(CLI::App& app, EncodeOptions& options);
// What was not given: with steps by sensitivity a trellis, tiles and rate weight to go with it. Errors:
// kInvalidArgument for a trellis with other steps.
Status settle_encoding_options(const CLI::App& app, StepRule steps, EncodeOptions& options);

}  // namespace nwc::cli
