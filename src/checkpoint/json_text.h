// JSON text built piece by piece, for documents too long to hold twice (nlohmann's ordered objects are also searched
// from the front at every insertion).
#pragma once

#include <string>
#include <string_view>

#include "nwcodec/result.h"

namespace nwc {

// `text` as a JSON string, quotes included; non-ASCII characters stay as they are.
// Errors: kInvalidArgument if it is not valid UTF-8.
Result<std::string> json_quoted(std::string_view text);

}  // namespace nwc
