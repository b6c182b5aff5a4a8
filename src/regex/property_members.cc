#include "regex/property_members.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "characters/sets.h"
#include "regex/escapes.h"
#include "regex/utf8.h"

namespace nwc::regex {
namespace {

using characters::CodePointSet;

// Where versions of Unicode differ: planes 0 to 3 and 14. Elsewhere nothing is assigned but private use.
const CodePointSet& asked() {
  static const CodePointSet set({{0, 0xD800}, {0xE000, 0x40000}, {0xE0000, 0xE1000}});
  return set;
}

const std::string& asked_text() {
  static const std::string text = [] {
    std::string all;
    for (const CodePointSet::Range& range : asked().ranges()) {
      for (char32_t c = range.begin; c < range.end; ++c) append_utf8(c, all);
    }
    return all;
  }();
  return text;
}

// The code points, of those asked about, that a class item of PCRE2's matches; nullopt for an item that it does not
// know.
std::optional<CodePointSet> matched_by_pcre2(const std::string& item) {
  const std::string pattern = "[" + item + "]++";
  int error_code = 0;
  PCRE2_SIZE error_offset = 0;
  const std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF | PCRE2_UCP, &error_code,
                    &error_offset, nullptr),
      &pcre2_code_free);
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> match(pcre2_match_data_create(1, nullptr),
                                                                                  &pcre2_match_data_free);
  if (code == nullptr || match == nullptr) return std::nullopt;
  const std::string& text = asked_text();
  std::vector<CodePointSet::Range> ranges;
  for (size_t pos = 0; pos < text.size();) {
    if (pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), pos, PCRE2_NO_UTF_CHECK,
                    match.get(), nullptr) < 0)
      break;
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(match.get());
    size_t at = bounds[0];
    size_t last = bounds[1] - 1;
    while ((static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
    ranges.push_back({next_code_point(text, at), next_code_point(text, last) + 1});
    pos = bounds[1];
  }
  // A run may pass over what was not asked about.
  const CodePointSet matched(std::move(ranges));
  return matched - (CodePointSet({{0, 0x110000}}) - asked());
}

std::string ranges_of(const CodePointSet& set) {
  std::string members;
  for (const CodePointSet::Range& range : set.ranges()) {
    members += code_point_escape(range.begin);
    if (range.end > range.begin + 1) members += "-" + code_point_escape(range.end - 1);
  }
  return members;
}

// `item` is PCRE2's name for the set.
std::string members_of(const CodePointSet& set, const std::string& item) {
  static std::mutex mutex;
  static std::map<std::string, std::string> written;
  const std::lock_guard lock(mutex);
  const auto known = written.find(item);
  if (known != written.end()) return known->second;
  const std::optional<CodePointSet> theirs = matched_by_pcre2(item);
  const bool too_much = !theirs || !(*theirs - set).empty();
  std::string members = too_much ? ranges_of(set - CodePointSet({{0xD800, 0xE000}}))
                                 : item + ranges_of(set - *theirs - (CodePointSet({{0, 0x110000}}) - asked()));
  return written.emplace(item, std::move(members)).first->second;
}

}  // namespace

std::string category_members(std::string_view short_name) {
  return members_of(*characters::general_category(short_name), "\\p{" + std::string(short_name) + "}");
}

std::optional<std::string> property_members(std::string_view plain_name) {
  if (const CodePointSet* set = characters::script(plain_name))
    return members_of(*set, "\\p{script:" + std::string(plain_name) + "}");
  if (const CodePointSet* set = characters::binary_property(plain_name))
    return members_of(*set, "\\p{" + std::string(plain_name) + "}");
  return std::nullopt;
}

std::string written_out(std::string_view members) {
  std::string result;
  for (size_t pos = 0; pos < members.size();) {
    if (!members.substr(pos).starts_with("\\p{")) {
      result += members[pos++];
      continue;
    }
    const size_t end = members.find('}', pos);
    const std::string_view name = members.substr(pos + 3, end - pos - 3);
    result += name.size() <= 2 ? category_members(name) : property_members(name).value_or("");
    pos = end + 1;
  }
  return result;
}

}  // namespace nwc::regex
