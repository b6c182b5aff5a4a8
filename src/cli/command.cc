#include "cli/command.h"

#include <fmt/format.h>

#include <filesystem>
#include <string_view>

namespace nwc::cli {
namespace {

std::string quoted(const std::string& word) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-./:=,+@%").find(c) != std::string_view::npos;
  };
  if (!word.empty() && std::all_of(word.begin(), word.end(), plain)) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

}  // namespace

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

void add_device_option(CLI::App& app, std::string& device) {
  app.add_option("--device", device, "Compute on cpu, cuda or cuda:NUMBER")->capture_default_str();
}

std::string given_command(const CLI::App& app) {
  std::string text = "nwcodec " + app.get_name();
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() == 0) continue;
    if (!option->get_positional()) text += " " + option->get_name();
    if (option->get_items_expected_max() == 0) continue;  // a flag
    for (const std::string& value : option->results()) text += " " + quoted(value);
  }
  return text;
}

CLI::Validator html_file() {
  return {[](std::string& text) -> std::string {
            const std::filesystem::path path = text;
            if (path.has_stem() && (path.extension() == ".html" || path.extension() == ".htm")) return {};
            return "'" + text + "' is not the name of a page; end it in .html";
          },
          "FILE.html", "html_file"};
}

void print_json(const Json& json) { fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace)); }

}  // namespace nwc::cli
