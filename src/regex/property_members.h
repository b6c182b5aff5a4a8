// Unicode properties as members of PCRE2 character classes, by our own tables (characters/sets.h): the PCRE2 that is
// linked may know an older or a newer version of Unicode, but a tokenizer must cut text in the same way everywhere.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace nwc::regex {

// The members of general category `short_name` ("Lu", "L", "L&"), which must exist: PCRE2's own property and what it
// lacks, or all ranges where it has too much.
std::string category_members(std::string_view short_name);

// The same of a script or a binary property by its plain name ("han"); nullopt for one that is not in our tables.
std::optional<std::string> property_members(std::string_view plain_name);

// Every "\p{...}" of `members`, a general category or a binary property, written out in this way.
std::string written_out(std::string_view members);

}  // namespace nwc::regex
