#include "cli/study/study_command.h"

#include <fmt/format.h>

#include "cli/terminal.h"

namespace nwc::cli {

void add_study_options(CLI::App& app, StudyArguments& arguments, Command& command) {
  app.add_option("-o,--output", arguments.output, "Directory for the CSV table and the SVG plot")
      ->required()
      ->check(not_empty());
  app.add_flag("--force", arguments.force, "Overwrite files of an earlier study there");
  add_global_options(app, command);
}

std::vector<std::string> study_files(const std::string& name) { return {name + ".csv", name + ".svg"}; }

Status write_study(const StudyOutput& output, const std::string& name, const std::string& csv, const std::string& svg,
                   const Command& command) {
  const std::vector<std::string> files = study_files(name);
  NWC_RETURN_IF_ERROR(output.write(files[0], csv));
  NWC_RETURN_IF_ERROR(output.write(files[1], svg));
  if (!command.global.json)
    fmt::print("written to {} and {}\n", printable(output.path_of(files[0]).string()),
               printable(output.path_of(files[1]).string()));
  return {};
}

void add_study(CLI::App& app, Command& command) {
  app.require_subcommand(1);
  struct Entry {
    const char* name;
    const char* description;
    std::function<Status()> (*add)(CLI::App&, Command&);
  };
  const Entry entries[] = {
      {"statistics", "Tails of a checkpoint's linear weights, before and after transforms", add_statistics_study},
      {"rate-distortion", "Curves of baseline quantisers and codecs on sources and on a tensor",
       add_rate_distortion_study},
      {"ablation", "One checkpoint compressed in several ways at the same rates, with the damage to the model",
       add_ablation_study},
      {"fixed-length", "The same transforms trained with fixed-length quantisers instead of an entropy model",
       add_fixed_length_study},
      {"compare", "Published methods beside each other: all their bits, and the damage to the model",
       add_compare_study},
      {"reproduce", "The paper's figures and tables on one model, in one page", add_reproduce_study},
      {"tensors", "Compressed tensors beside ideal entropy-coded scalar quantisation", add_tensor_study},
  };
  std::vector<std::pair<const CLI::App*, std::function<Status()>>> studies;
  for (const Entry& entry : entries) {
    CLI::App* sub = app.add_subcommand(entry.name, entry.description);
    studies.emplace_back(sub, entry.add(*sub, command));
  }
  command.run = [studies]() -> Status {
    for (const auto& [sub, run] : studies) {
      if (sub->parsed()) return run();
    }
    return Error(ErrorCode::kInvalidArgument, "no study was chosen");
  };
}

}  // namespace nwc::cli
