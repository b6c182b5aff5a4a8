// The named character sets of Oniguruma's regular expressions, written as members of a PCRE2 character class.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace nwc::regex {

// \w outside and inside brackets: Oniguruma counts superscript digits and fractions of Latin-1 only outside.
inline constexpr std::string_view kWordSet = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";
inline constexpr std::string_view kWordSetInClass = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";
inline constexpr std::string_view kHexSet = "0-9A-Fa-f";
inline constexpr std::string_view kSpaceSet = R"(\p{White_Space})";
inline constexpr std::string_view kDigitSet = R"(\p{Nd})";

// The set of [:name:]; nullopt for an unknown name.
std::optional<std::string> posix_set(std::string_view name);

// The set of \p{name}: POSIX names, general categories, and the scripts and binary properties that PCRE2 knows; upper
// and lower case, spaces, '-' and '_' make no difference. nullopt for an unknown name.
std::optional<std::string> property_set(std::string_view name, bool in_class);

// Whether (?i) changes the set.
bool depends_on_case(std::string_view set);

}  // namespace nwc::regex
