#include "cli/command.h"

#include <fmt/format.h>

#include <map>

namespace nwc::cli {

void add_global_options(CLI::App& app, Command& command) {
  app.add_flag("--json", command.global.json, "Print results as JSON");
  app.add_flag("-q,--quiet", command.global.quiet, "No progress and no warnings");
  app.add_option("--threads", command.global.threads, "Threads; 0 means all cores")->check(in_range(0, 4096));
}

CLI::Validator not_empty() {
  return {[](std::string& text) { return text.empty() ? "must not be empty" : std::string(); }, "", "not empty"};
}

CLI::CheckedTransformer normalisations() {
  std::map<std::string, Normalisation> names;
  for (const Normalisation n : {Normalisation::kColumn, Normalisation::kRow, Normalisation::kBoth,
                                Normalisation::kTensor, Normalisation::kModel}) {
    names.emplace(name_of(n), n);
  }
  return CLI::CheckedTransformer(names);
}

void add_device_option(CLI::App& app, std::string& device) {
  app.add_option("--device", device, "Compute on cpu, cuda or cuda:NUMBER")->capture_default_str();
}

void print_json(const Json& json) { fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace)); }

}  // namespace nwc::cli
