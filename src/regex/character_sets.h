// The named character sets of Oniguruma's regular expressions, written as members of a PCRE2 character class that is
// the same whatever version of Unicode PCRE2 knows (property_members.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace nwc::regex {

// \w outside and inside brackets: Oniguruma counts superscript digits and fractions of Latin-1 only outside.
const std::string& word_set();
const std::string& word_set_in_class();
const std::string& space_set();
const std::string& digit_set();
inline constexpr std::string_view kHexSet = "0-9A-Fa-f";

// The set of [:name:]; nullopt for an unknown name.
std::optional<std::string> posix_set(std::string_view name);

// The set of \p{name}: POSIX names, general categories, scripts, and the binary properties of characters/properties.cc;
// upper and lower case, spaces, '-' and '_' make no difference. nullopt for an unknown name.
std::optional<std::string> property_set(std::string_view name, bool in_class);

// Whether (?i) changes the set.
bool depends_on_case(std::string_view set);

}  // namespace nwc::regex
