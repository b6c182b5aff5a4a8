// What the commands share: global options, how they are registered, how they end.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/json.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "weights/normalisation.h"

namespace nwc::cli {

enum ExitCode { kOk = 0, kFailed = 1, kUsage = 2 };

// Options that every command has.
struct GlobalOptions {
  bool json = false;   // results as JSON on stdout
  bool quiet = false;  // no progress, no warnings
  int threads = 0;     // 0: all cores
};

// A command adds its options to `app` and sets `run`, which main() calls if the command was chosen. Results go to
// stdout, progress and warnings to stderr; an error is returned for main() to print.
struct Command {
  GlobalOptions global;
  std::function<Status()> run;
};

void add_train(CLI::App& app, Command& command);
void add_compress(CLI::App& app, Command& command);
void add_recompress(CLI::App& app, Command& command);
void add_trim(CLI::App& app, Command& command);
void add_decompress(CLI::App& app, Command& command);
void add_convert(CLI::App& app, Command& command);
void add_inspect(CLI::App& app, Command& command);
void add_calibrate(CLI::App& app, Command& command);
void add_eval(CLI::App& app, Command& command);
void add_compare(CLI::App& app, Command& command);
void add_polish(CLI::App& app, Command& command);
void add_generate(CLI::App& app, Command& command);
void add_doctor(CLI::App& app, Command& command);
void add_completion(CLI::App& app, Command& command);  // these two describe the commands beside them
void add_man(CLI::App& app, Command& command);
void add_study(CLI::App& app, Command& command);  // has commands of its own: cli/study/study_command.h

// --json, --quiet and --threads.
void add_global_options(CLI::App& app, Command& command);

// For options that name a file or directory: an empty one would only fail later, with a message that names nothing, and
// one that begins with '-' is an option that stands where a value is missing.
CLI::Validator not_empty();

// For options that take one of a few names, each for an enumerator: accepts those alone, and lists them in the help.
template <class Enum>
CLI::Validator one_of(const std::vector<std::pair<std::string, Enum>>& names) {
  std::string known;
  for (const auto& [name, value] : names) known += (known.empty() ? "" : ", ") + name;
  return {[names, known](std::string& text) -> std::string {
            for (const auto& [name, value] : names) {
              if (text != name) continue;
              text = std::to_string(static_cast<long>(value));  // CLI11 reads enumerators as numbers
              return {};
            }
            return "'" + text + "' is not one of " + known;
          },
          "one of " + known, "one_of"};
}

// For every option that is a number: decimal, finite, and least <= value <= most.
template <class Number>
CLI::Validator in_range(Number least, Number most) {
  const std::string range = fmt::format("{} to {}", least, most);
  return {[least, most, range](std::string& text) -> std::string {
            Number value{};
            const char* const end = text.data() + text.size();
            const auto [parsed, error] = std::from_chars(text.data(), end, value);
            const bool number = error == std::errc() && parsed == end;
            // "-1" is a number, if none of an unsigned type.
            const bool digits =
                !text.empty() && text.find_first_not_of("0123456789", text.starts_with('-') ? 1 : 0) == text.npos;
            if (!number && !digits && error != std::errc::result_out_of_range)
              return "'" + text + "' is not a number from " + range;
            if (!number || !(value >= least && value <= most)) return "Value " + text + " not in range " + range;
            if constexpr (std::is_integral_v<Number>) text = std::to_string(value);  // CLI11 reads 010 as octal
            return {};
          },
          range, "in_range"};
}
// Of seeds.
inline CLI::Validator any_seed() { return in_range(uint64_t{0}, UINT64_MAX); }
inline constexpr int64_t kManyTokens = int64_t{1} << 24;     // no option asks for more,
inline constexpr int64_t kManySequences = int64_t{1} << 30;  // nor for more of these

// The names of --normalisation and its help text.
CLI::Validator normalisations();
inline constexpr const char* kNormalisationHelp =
    "What weights are divided by: a scale per column, row, both, tensor, or one for the model";

// --device, for what runs models or quantises; open_device() and open_encode_device() tell whether there is such a
// device.
void add_device_option(CLI::App& app, std::string& device);

// The program's name and all that was given to a command, quoted for a shell.
std::string given_command(const CLI::App& app);

// For --report, which names a page beside which other files are written.
CLI::Validator html_file();

// To stdout. File names need not be UTF-8 but JSON must: what is not becomes U+FFFD.
void print_json(const Json& json);

}  // namespace nwc::cli
