// Polishing on text files, and what is said of it: for `nwcodec polish` and `compress --polish`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "polish/polish.h"

namespace nwc::cli {

// Trains on all but the last tenth of each file, and measures on at most 16 windows of that tenth. `device`: a name,
// for open_device(). `command`: what made it, for the output's metadata, which gets the divergence measured. The
// tokenizer's warnings come first in the report's. Errors: those of polish(), of the tokenizer and of reading.
Result<PolishReport> polish_on_files(PolishOptions options, const std::vector<std::filesystem::path>& texts,
                                     const std::string& device, const std::string& command, const Progress& progress);

Json to_json(const PolishReport& report);
void print_polish(const PolishReport& report);

}  // namespace nwc::cli
