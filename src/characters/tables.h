// The generated tables of this folder (generate.py), as they are stored. sets.h reads them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace nwc::characters {

struct NamedTable {
  std::string_view names;       // separated by spaces
  std::string_view categories;  // general categories that the set holds as a whole, separated by spaces
  std::string_view ranges;      // the rest: how far to the next range, how long it is, and so on, to the base 36
};

// A run of characters whose lower case is so far away: first, first + stride, ..., last.
struct CaseRun {
  char32_t first, last;
  uint32_t stride;
  int32_t distance;
};

std::span<const NamedTable> general_categories();
std::span<const NamedTable> binary_properties();
std::span<const NamedTable> scripts();
std::span<const NamedTable> more_scripts();
std::span<const NamedTable> reference_sets();
std::span<const CaseRun> lower_case_runs();

}  // namespace nwc::characters
