// Backslash escapes of Oniguruma's regular expressions that mean the same inside and outside of brackets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "nwcodec/result.h"
#include "regex/scanner.h"

namespace nwc::regex {

// A character set: as members of a PCRE2 class, and whether it is their complement.
struct Set {
  std::string members;
  bool negated = false;

  std::string as_class() const { return (negated ? "[^" : "[") + members + "]"; }
};

// "\x{1f600}".
std::string code_point_escape(uint32_t value);

// The set that the escape at the scanner stands for (\s, \W, \p{name}, ...), or nullopt, with nothing read, if it
// stands for a character. Errors: kUnsupported for an unknown property.
Result<std::optional<Set>> read_set_escape(Scanner& scanner, bool in_class);

// The escape at the scanner as a PCRE2 escape for one character. Errors: kUnsupported for an escape that is none, or a
// raw byte; kCorrupt for a broken one.
Result<std::string> read_character_escape(Scanner& scanner);

}  // namespace nwc::regex
