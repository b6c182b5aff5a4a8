// The options of `compress` that make several layers, or a delta.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "compress/compress.h"
#include "compress/layers/progressive.h"

namespace nwc::cli {

struct DifferenceArguments {
  std::vector<double> layers;  // bits of each prefix
  std::filesystem::path base, base_model;
};

void add_difference_options(CLI::App& app, DifferenceArguments& arguments);
// Throws CLI::ValidationError for options that do not go together.
void check_difference_options(const CLI::App& app, const DifferenceArguments& arguments);

// The feedback of lower layers: the defaults where the command names none, else what it names for all.
LowerLayers lower_layers(const CLI::App& app, const GuideOptions& guide);

Json layers_json(const ProgressiveReport& report, const std::vector<double>& divergences);
void print_layers(const ProgressiveReport& report, const std::vector<double>& divergences);
void print_differences(const CompressReport& report);

}  // namespace nwc::cli
