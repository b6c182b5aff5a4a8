// Changing single members of a JSON object in its text, so that the rest stays as it was written.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nwc {

// A member of an object: `text.substr(key.begin, key.size())` is its quoted key, that of `value` its value.
struct JsonMember {
  struct Range {
    size_t begin, end;
    size_t size() const { return end - begin; }
  };
  std::string name;  // the key without quotation marks and escapes
  Range key, value;
};

// The members of the object whose brace stands at or after `at`, in the order of the text. Precondition of all
// functions here: `text` has passed parse_json(), and the value at `at` is an object.
std::vector<JsonMember> members_of(std::string_view text, size_t at = 0);

// Adds a member behind the others of the outermost object: an object of the given names and values (JSON text). It is
// laid out as the others are, on lines of their own with their indent or all on one line. Precondition: there is no
// member of that name.
using JsonFields = std::vector<std::pair<std::string, std::string>>;
std::string with_member(std::string text, std::string_view name, const JsonFields& value);

// Takes a member of the outermost object away, with its comma; nothing happens where there is none.
std::string without_member(std::string text, std::string_view name);

// Gives a member of the outermost object another name; nothing happens where there is none.
std::string with_member_renamed(std::string text, std::string_view name, std::string_view new_name);

}  // namespace nwc
