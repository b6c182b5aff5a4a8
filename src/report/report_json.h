// The report for programs.
#pragma once

#include <string>

#include "report/report.h"

namespace nwc {

// Tensors as in other lists of them (compress/tensor_record.h); what is unknown is null.
std::string report_json(const CompressionReport& report);

}  // namespace nwc
