// What a program of several commands is: parses the command line, runs one command, prints its error.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace nwc::cli {

struct ProgramCommand {
  const char* name;
  const char* description;
  void (*add)(CLI::App&, Command&);
};

struct Program {
  const char* name;
  const char* description;
  std::vector<ProgramCommand> commands;
  // What to do about an output that another process writes; empty for the error's own remedy.
  std::string (*busy_remedy)() = [] { return std::string(); };
};

// The exit code. Never throws.
int run_program(const Program& program, int argc, char** argv);

}  // namespace nwc::cli
