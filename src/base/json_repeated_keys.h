// JSON of programs that write a key twice and read the last one, as Python and Rust do.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace nwc {

// As parse_json(), but of two equal keys in one object the last counts, in the place of the first. Notes their names in
// `repeated`, the first few.
Result<Json> parse_json_with_repeated_keys(std::string_view text, std::vector<std::string>& repeated);

}  // namespace nwc
