#include "cli/usage.h"

#include <fmt/format.h>

#include <filesystem>
#include <sstream>
#include <vector>

#include "base/spelling.h"

namespace nwc::cli {
namespace {

std::string meant(const std::string& word, const std::vector<std::string>& known) {
  const std::string close = closest(word, known);
  return close.empty() ? "" : fmt::format("; did you mean {}?", close);
}

std::vector<std::string> names_of(const std::vector<const CLI::App*>& commands) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// The option whose last value is a directory: where a directory is missed, it took that one.
std::string taken_by(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options()) {
    if (option->count() == 0 || option->get_positional()) continue;
    const std::string& last = option->results().back();
    std::error_code failure;
    if (!last.empty() && std::filesystem::is_directory(last, failure))
      return fmt::format(" ({} took '{}')", option->get_name(), last);
  }
  return "";
}

// The words that nobody took. CLI11 forgets those of a command when it throws, but lists them behind a colon.
std::vector<std::string> words_left(const CLI::App& app, const CLI::ParseError& error) {
  std::vector<std::string> left = app.remaining(true);
  if (error.get_exit_code() != static_cast<int>(CLI::ExitCodes::ExtrasError)) return left;
  const std::string what = error.what();
  std::istringstream words(what.substr(what.find(": ") + 1));
  for (std::string word; words >> word;) left.push_back(word);
  return left;
}

std::string unexpected(const std::vector<std::string>& words, const CLI::App& command) {
  for (const std::string& word : words) {
    if (!word.starts_with('-') || word == "--") continue;
    const std::string name = word.substr(0, word.find('='));
    return fmt::format("'{}' is not an option of {}{}", name, command.get_name(), meant(name, option_names(command)));
  }
  return "";
}

}  // namespace

std::string usage_message(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  const std::vector<CLI::App*> chosen = app.get_subcommands();
  const std::string first = argc > 1 ? argv[1] : "";
  if (chosen.empty() && (first.empty() || first.starts_with('-'))) {
    const std::string option = unexpected(words_left(app, error), app);
    return fmt::format("{}; see nwcodec --help", option.empty() ? error.what() : option);
  }
  if (chosen.empty()) {
    return fmt::format("'{}' is not a command{}; see nwcodec --help", first,
                       meant(first, names_of(app.get_subcommands([](const CLI::App*) { return true; }))));
  }
  const CLI::App* command = chosen.front();
  std::string names = command->get_name();
  const bool lacks_inner = !command->get_subcommands({}).empty() && command->get_subcommands().empty();
  if (lacks_inner && argc > 2 && argv[2][0] != '-') {
    return fmt::format("'{}' is not a {}{}; see nwcodec {} --help", argv[2], names,
                       meant(argv[2], names_of(command->get_subcommands([](const CLI::App*) { return true; }))), names);
  }
  for (const CLI::App* inner : command->get_subcommands()) {
    names += " " + inner->get_name();
    command = inner;
  }
  std::string what;
  // By its exit code: an error of a command has the command's name for its own.
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError))
    what = unexpected(words_left(app, error), *command);
  if (what.empty()) what = error.what();
  if (error.get_name() == "RequiredError") what += taken_by(*command);
  return fmt::format("{}; see nwcodec {} --help", what, names);
}

}  // namespace nwc::cli
