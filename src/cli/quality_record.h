// What `compress --text` writes about its measurement into the output, and `inspect` shows (format/measured_quality.h).
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "evaluate/divergence.h"
#include "format/measured_quality.h"
#include "nwcodec/result.h"

namespace nwc::cli {

// The options given to the command that decide about its output's bytes, files by their names alone: the same on every
// machine.
std::string command_text(const CLI::App& app);

// Errors: those of reading the texts, of which one that is no file ("self") has no hash.
Result<MeasuredQuality> quality_of(const DivergenceResult& divergence, const std::vector<std::filesystem::path>& texts,
                                   std::string command);

void print_quality(const MeasuredQuality& quality);
Json to_json(const MeasuredQuality& quality);

}  // namespace nwc::cli
