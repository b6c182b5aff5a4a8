// The options of `compress` that are about recovery.
#pragma once

#include <CLI/CLI.hpp>

#include "recover/recover.h"

namespace nwc::cli {

// --recover and what goes with it, which needs --hessians, and --seed, which is --text's, too.
void add_recovery_options(CLI::App& app, CLI::Option* hessians, bool& wanted, RecoverOptions& options);

}  // namespace nwc::cli
