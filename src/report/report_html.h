// The report for people: one self-contained page.
#pragma once

#include <string>

#include "report/report.h"

namespace nwc {

// Pictures are inline SVG; no scripts, nothing is fetched. Follows the reader's choice of light or dark, and fits a
// phone.
std::string report_html(const CompressionReport& report);

}  // namespace nwc
