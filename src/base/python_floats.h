// The floats that Python's json module writes and JSON does not have.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

namespace nwc {

struct PythonFloats {
  std::string text;                 // with a zero of equal length in each one's place, so that offsets stay right
  std::map<size_t, double> values;  // by their place among all numbers of the text
};

// Finds NaN, Infinity and -Infinity outside strings, the first `most` of them. `values` is empty, and so is `text`, if
// there are none. Whether the rest is JSON is the parser's business.
PythonFloats replace_python_floats(std::string_view text, size_t most);

}  // namespace nwc
