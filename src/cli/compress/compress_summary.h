// What `compress` prints: of a compression, and of one that is only planned.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "compress/compress.h"
#include "compress/rate/divergence_prediction.h"
#include "compress/rate/divergence_target.h"

namespace nwc::cli {

// The options given, each with its values: for the page of --report.
std::vector<std::pair<std::string, std::string>> options_given(const CLI::App& app);

Json to_json(const CompressReport& report);
void print_summary(const CompressReport& report);

// --plan: a line per tensor, then the totals.
Json to_json(const CompressionPrediction& prediction);
void print_prediction(const CompressionPrediction& prediction);

// --divergence: the rates that were tried.
Json trials_json(const TargetedCompression& found);
void print_trials(const TargetedCompression& found);

}  // namespace nwc::cli
