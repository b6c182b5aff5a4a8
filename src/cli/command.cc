#include "cli/command.h"

#include <fmt/format.h>

namespace nwc::cli {

void add_global_options(CLI::App& app, Command& command) {
  app.add_flag("--json", command.global.json, "Print results as JSON");
  app.add_flag("-q,--quiet", command.global.quiet, "No progress and no warnings");
  app.add_option("--threads", command.global.threads, "Threads; 0 means all cores")->check(in_range(0, 4096));
}

CLI::Validator not_empty() {
  return {[](std::string& text) -> std::string {
            if (text.empty()) return "must not be empty";
            if (text.front() == '-')
              return "'" + text + "' is an option, not a path; for a path of that name write ./" + text;
            return {};
          },
          "", "not empty"};
}

CLI::Validator normalisations() {
  std::vector<std::pair<std::string, Normalisation>> names;
  for (const Normalisation n : {Normalisation::kColumn, Normalisation::kRow, Normalisation::kBoth,
                                Normalisation::kTensor, Normalisation::kModel}) {
    names.emplace_back(name_of(n), n);
  }
  return one_of(names);
}

void add_device_option(CLI::App& app, std::string& device) {
  app.add_option("--device", device, "Compute on cpu, cuda or cuda:NUMBER")->capture_default_str();
}

void print_json(const Json& json) { fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace)); }

}  // namespace nwc::cli
