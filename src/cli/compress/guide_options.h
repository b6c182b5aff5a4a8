// Options of what a calibration is used for: steps, importance levels, feedback.
#pragma once

#include <CLI/CLI.hpp>

#include "guide/guide.h"

namespace nwc::cli {

void add_guide_options(CLI::App& app, GuideOptions& guide);
// Throws a CLI::ValidationError for options given, these or of the encoding, that say how a calibration is used.
void check_without_calibration(const CLI::App& app);

}  // namespace nwc::cli
