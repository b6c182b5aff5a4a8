// Numbers that survive JSON whatever they are: it has none for infinity and NaN, and a library's null for them does not
// read back.
#pragma once

#include "base/json.h"

namespace nwc {

// A number, or "nan", "inf", "-inf".
Json json_number(double value);

// What json_number() wrote. Errors: kCorrupt.
Result<double> number_from(const Json& json);

}  // namespace nwc
