// `nwcodec study NAME`: one file per study, registered as a command below `study`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "cli/command.h"
#include "study/output/study_output.h"

namespace nwc::cli {

// Options that every study has.
struct StudyArguments {
  std::filesystem::path output;
  bool force = false;
};

// Each adds its options to `app` and returns what runs if it was chosen; `command` is the parent's.
std::function<Status()> add_statistics_study(CLI::App& app, Command& command);
std::function<Status()> add_rate_distortion_study(CLI::App& app, Command& command);
std::function<Status()> add_ablation_study(CLI::App& app, Command& command);
std::function<Status()> add_fixed_length_study(CLI::App& app, Command& command);
std::function<Status()> add_compare_study(CLI::App& app, Command& command);
std::function<Status()> add_reproduce_study(CLI::App& app, Command& command);
std::function<Status()> add_tensor_study(CLI::App& app, Command& command);

// -o, --force, and the options that every command has.
void add_study_options(CLI::App& app, StudyArguments& arguments, Command& command);

// Writes NAME.csv and NAME.svg and prints where they are, but not with --json.
Status write_study(const StudyOutput& output, const std::string& name, const std::string& csv, const std::string& svg,
                   const Command& command);
std::vector<std::string> study_files(const std::string& name);

}  // namespace nwc::cli
