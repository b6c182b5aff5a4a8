// What is wrong with a command line, for people.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace nwc::cli {

// One sentence, with what may have been meant, and where to read on.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv);

}  // namespace nwc::cli
