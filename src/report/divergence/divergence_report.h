// The report of one comparison on a text: `nwcodec eval --report`.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "nwcodec/result.h"
#include "report/divergence/divergence_profile.h"

namespace nwc {

struct DivergenceReport {
  std::string version, checkpoint, reference;  // of the program; names of directories
  std::vector<std::string> texts;              // names of files
  std::string command;                         // that made the report
  std::vector<std::string> warnings;
  TokenScores scores;
  WindowTexts tokens;
  DivergenceProfile profile;
  std::function<std::string(int32_t)> text_of;  // of a token alone
};

// Deterministic, and without the date. The text may hold anything: HTML is escaped, and a spreadsheet takes no cell of
// the CSV for a formula.
std::string divergence_html(const DivergenceReport& report);
std::string divergence_json(const DivergenceReport& report);

// Writes the page to `html`, and beside it, with other extensions, .json (the page's figures) and .csv (a line per
// token). Each file appears whole or not at all, and replaces one that is there. Errors: kIo.
Status write_divergence_report(const DivergenceReport& report, const std::filesystem::path& html);

// The other two files of a page.
std::filesystem::path json_beside(const std::filesystem::path& html);
std::filesystem::path csv_beside(const std::filesystem::path& html);

}  // namespace nwc
