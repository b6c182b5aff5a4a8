#include "format/json_members.h"

#include <algorithm>

#include "base/json.h"

namespace nwc {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

size_t skip_space(std::string_view text, size_t at) {
  return std::min(text.find_first_not_of(kSpace, at), text.size());
}

size_t end_of_string(std::string_view text, size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return std::min(at + 1, text.size());
}

size_t end_of_value(std::string_view text, size_t at) {
  if (text[at] == '"') return end_of_string(text, at);
  if (text[at] != '{' && text[at] != '[') return std::min(text.find_first_of(" \t\r\n,]}", at), text.size());
  for (size_t depth = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"') {
      at = end_of_string(text, at);
      continue;
    }
    ++at;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) break;
  }
  return at;
}

std::string unquoted(std::string_view key) {
  const Result<Json> name = parse_json(key);
  return name && name->is_string() ? name->get<std::string>() : std::string(key);
}

std::string json_string(std::string_view name) {
  return Json(name).dump(-1, ' ', false, Json::error_handler_t::replace);
}

const JsonMember* find(const std::vector<JsonMember>& members, std::string_view name) {
  const auto found = std::find_if(members.begin(), members.end(), [&](const JsonMember& m) { return m.name == name; });
  return found == members.end() ? nullptr : &*found;
}

// What stands between the end of a line and the member on the next: "\n  "; empty if members share a line.
std::string line_break_before(std::string_view text, size_t member) {
  const size_t begin = text.find_last_not_of(kSpace, member - 1) + 1;
  const std::string_view space = text.substr(begin, member - begin);
  return space.find('\n') == std::string_view::npos ? std::string() : std::string(space);
}

}  // namespace

std::vector<JsonMember> members_of(std::string_view text, size_t at) {
  std::vector<JsonMember> members;
  at = text.find('{', at);
  if (at == std::string_view::npos) return members;
  for (at = skip_space(text, at + 1); at < text.size() && text[at] == '"'; at = skip_space(text, at)) {
    JsonMember member;
    member.key = {at, end_of_string(text, at)};
    member.name = unquoted(text.substr(member.key.begin, member.key.size()));
    const size_t begin = skip_space(text, text.find(':', member.key.end) + 1);
    member.value = {begin, end_of_value(text, begin)};
    at = skip_space(text, member.value.end);
    if (at < text.size() && text[at] == ',') at = skip_space(text, at + 1);
    members.push_back(std::move(member));
  }
  return members;
}

std::string with_member(std::string text, std::string_view name, const JsonFields& value) {
  const std::vector<JsonMember> members = members_of(text);
  const std::string line = members.empty() ? "" : line_break_before(text, members.back().key.begin);
  const size_t indent = line.empty() ? 0 : line.size() - line.rfind('\n') - 1;
  const std::string inner = line + line.substr(line.size() - indent);
  std::string added;
  for (const auto& [key, text_of_value] : value) {
    added += added.empty() ? inner : "," + (line.empty() ? std::string(" ") : inner);
    added += json_string(key) + ": " + text_of_value;
  }
  added = json_string(name) + ": {" + added + line + "}";
  if (members.empty()) return text.insert(text.find('{') + 1, added);
  return text.insert(members.back().value.end, "," + (line.empty() ? std::string(" ") : line) + added);
}

std::string without_member(std::string text, std::string_view name) {
  const std::vector<JsonMember> members = members_of(text);
  const JsonMember* member = find(members, name);
  if (member == nullptr) return text;
  const size_t i = static_cast<size_t>(member - members.data());
  size_t begin = member->key.begin, end = member->value.end;
  if (i > 0) {
    begin = members[i - 1].value.end;
  } else if (members.size() > 1) {
    end = members[1].key.begin;
  }
  return text.erase(begin, end - begin);
}

std::string with_member_renamed(std::string text, std::string_view name, std::string_view new_name) {
  const std::vector<JsonMember> members = members_of(text);
  const JsonMember* member = find(members, name);
  return member == nullptr ? text : text.replace(member->key.begin, member->key.size(), json_string(new_name));
}

}  // namespace nwc
