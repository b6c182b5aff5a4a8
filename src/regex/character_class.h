// Bracketed character classes of Oniguruma's regular expressions: nested ones, and intersections.
#pragma once

#include <optional>
#include <string>

#include "nwcodec/result.h"
#include "regex/scanner.h"

namespace nwc::regex {

struct CharacterClass {
  std::string pattern;                 // in PCRE2's syntax; matches exactly one character
  std::optional<std::string> members;  // if the class is nothing but these members of a PCRE2 class
};

// The class whose opening bracket the scanner is at. Errors: kCorrupt, kUnsupported, kLimit for classes nested too
// deep.
Result<CharacterClass> read_class(Scanner& scanner, bool ignore_case);

}  // namespace nwc::regex
