// Comma-separated values (RFC 4180), for spreadsheets and plotting programs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nwc {

// Rows of cells, the first the header. A cell with a comma, a quote or a line break is quoted, its quotes doubled.
// Lines end in a line feed.
std::string format_csv(const std::vector<std::vector<std::string>>& rows);

// Six significant digits; empty for what is no finite number.
std::string csv_number(double value);
std::string csv_shape(const std::vector<uint64_t>& shape);  // "4096x1024"

}  // namespace nwc
