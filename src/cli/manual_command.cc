// `nwcodec completion` and `nwcodec man`: what shells and manuals are told, made from the options themselves.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "cli/command.h"
#include "nwcodec/version.h"

namespace nwc::cli {
namespace {

std::vector<const CLI::App*> commands_of(const CLI::App& app) { return app.get_subcommands({}); }

// All its spellings, "-o" and "--output".
std::vector<std::string> spellings(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  for (const std::string& name : option.get_fnames()) names.push_back("--" + name);
  return names;
}

// The names that an option takes, if it is one of a few (one_of()).
std::vector<std::string> values_of(const CLI::Option& option) {
  const std::string type = option.get_type_name(), mark = "one of ";
  const size_t at = type.find(mark);
  std::vector<std::string> values;
  if (at == type.npos) return values;
  std::istringstream words(type.substr(at + mark.size()));
  for (std::string word; words >> word;) values.push_back(word.substr(0, word.find(',')));
  return values;
}

// Cases of one command, and of the commands in it: options, and the values of those that take a few.
void append_cases(const CLI::App& command, std::string& options, std::string& values) {
  std::vector<std::string> words;
  for (const CLI::App* inner : commands_of(command)) words.push_back(inner->get_name());
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : spellings(*option)) words.push_back(name);
    const std::vector<std::string> known = values_of(*option);
    if (!known.empty() && !spellings(*option).empty())
      values += fmt::format("    {}) words='{}' ;;\n", fmt::join(spellings(*option), "|"), fmt::join(known, " "));
  }
  options += fmt::format("      {}) words='{}' ;;\n", command.get_name(), fmt::join(words, " "));
  for (const CLI::App* inner : commands_of(command)) append_cases(*inner, options, values);
}

std::string completion(const CLI::App& app, bool zsh) {
  std::vector<std::string> names;
  std::string options, values;
  for (const CLI::App* command : commands_of(app)) {
    names.push_back(command->get_name());
    append_cases(*command, options, values);
  }
  std::string script;
  if (zsh) script += "autoload -Uz bashcompinit && bashcompinit\n";
  script += "_nwcodec() {\n";
  script += "  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= words= word\n";
  script += "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n";
  script += "    case $word in\n";
  std::vector<std::string> all = names;
  for (const CLI::App* command : commands_of(app)) {
    for (const CLI::App* inner : commands_of(*command)) all.push_back(inner->get_name());
  }
  script += fmt::format("      {}) command=$word ;;\n    esac\n  done\n", fmt::join(all, "|"));
  script += "  case $before in\n" + values + "  esac\n";
  script += "  if [ -z \"$words\" ]; then\n    case $command in\n";
  script += fmt::format("      '') words='{} --help --version' ;;\n{}    esac\n", fmt::join(names, " "), options);
  script += "    case $current in -*) ;; *) [ -n \"$command\" ] && [ \"$command\" != study ] && words= ;; esac\n  fi\n";
  script += "  if [ -n \"$words\" ]; then COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n";
  script += "  else COMPREPLY=($(compgen -f -- \"$current\")); fi\n";
  script += "}\ncomplete -o filenames -F _nwcodec nwcodec\n";
  return script;
}

// Text of a manual page: no line begins with a control character, and a minus is one.
std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else if ((c == '.' || c == '\'') && (result.empty() || result.back() == '\n')) {
      result += "\\&";
      result += c;
    } else {
      result += c;
    }
  }
  return result;
}

// `name`: of the page; `synopsis`: as it is typed.
std::string manual(const CLI::App& command, const std::string& name, const std::string& synopsis) {
  std::string page = fmt::format(".TH \"{}\" 1 \"\" \"nwcodec {}\"\n.SH NAME\n{} \\- {}\n", escaped(name),
                                 NWCODEC_VERSION_STRING, escaped(name), escaped(command.get_description()));
  page += fmt::format(".SH SYNOPSIS\n.B {}\n", escaped(synopsis));
  std::string positionals, options;
  for (const CLI::Option* option : command.get_options()) {
    const bool positional = option->get_positional();
    std::string value = option->get_type_name();
    if (const size_t at = value.find(':'); at != value.npos) value.resize(at);
    const std::string entry = fmt::format(
        ".TP\n.B {}{}\n{}\n",
        escaped(positional ? option->get_name(true) : fmt::format("{}", fmt::join(spellings(*option), ", "))),
        value.empty() || positional ? "" : " " + escaped(value), escaped(option->get_description()));
    (positional ? positionals : options) += entry;
    if (positional) page += fmt::format(".I {}\n", escaped(option->get_name(true)));
  }
  page += ".RI [ options ]\n";
  if (!positionals.empty()) page += ".SH ARGUMENTS\n" + positionals;
  if (!options.empty()) page += ".SH OPTIONS\n" + options;
  const std::vector<const CLI::App*> inner = commands_of(command);
  if (!inner.empty()) page += ".SH COMMANDS\n";
  for (const CLI::App* c : inner)
    page += fmt::format(".TP\n.B {}\n{}\n", escaped(c->get_name()), escaped(c->get_description()));
  if (!command.get_footer().empty()) page += ".SH NOTES\n" + escaped(command.get_footer()) + "\n";
  return page;
}

}  // namespace

void add_completion(CLI::App& app, Command& command) {
  const auto zsh = std::make_shared<bool>(false);
  app.add_option("shell", *zsh, "Which shell: eval \"$(nwcodec completion bash)\"")
      ->required()
      ->transform(one_of<bool>({{"bash", false}, {"zsh", true}}));
  command.run = [zsh, &app]() -> Status {
    fmt::print("{}", completion(*app.get_parent(), *zsh));
    return {};
  };
}

void add_man(CLI::App& app, Command& command) {
  const auto name = std::make_shared<std::string>();
  app.add_option("command", *name, "Of which command; without, of the program: nwcodec man | man -l -");
  command.run = [name, &app]() -> Status {
    if (name->empty()) {
      fmt::print("{}", manual(*app.get_parent(), "nwcodec", "nwcodec"));
      return {};
    }
    for (const CLI::App* c : commands_of(*app.get_parent())) {
      if (c->get_name() != *name) continue;
      fmt::print("{}", manual(*c, "nwcodec-" + *name, "nwcodec " + *name));
      return {};
    }
    return Error(ErrorCode::kInvalidArgument, "'" + *name + "' is not a command").remedy("see nwcodec --help");
  };
}

}  // namespace nwc::cli
