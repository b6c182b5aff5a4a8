// The report for programs.
#pragma once

#include <string>

#include "report/report.h"

namespace nwc {

// What is unknown is null. Columns are summed up: their counts by level, and how closely diag(H) and the inverse column
// error agree (report/figures.h).
std::string report_json(const CompressionReport& report);

}  // namespace nwc
