// Any bytes as a regular expression in either syntax, up to the first newline, and a text to search: refused with a
// message, or ranges that ascend, do not overlap and hold whole characters.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "regex/budget.h"
#include "regex/regex.h"
#include "regex/utf8.h"

namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

bool begins_character(std::string_view text, size_t at) {
  return at == text.size() || (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
}

void search(const std::string& pattern, const std::string& text, nwc::regex::Syntax syntax) {
  const nwc::Result<nwc::regex::Regex> regex = nwc::regex::Regex::compile(pattern, syntax);
  if (!regex) {
    require(!regex.error().message().empty());
    return;
  }
  nwc::regex::Budget budget(text.size());
  const nwc::Result<std::vector<nwc::regex::Range>> matches = regex->find_all(text, budget);
  if (!matches) {
    const nwc::ErrorCode code = matches.error().code();
    require(code == nwc::ErrorCode::kLimit || code == nwc::ErrorCode::kUnsupported);
    return;
  }
  size_t end = 0;
  for (const nwc::regex::Range& match : *matches) {
    require(match.begin >= end && match.begin <= match.end && match.end <= text.size());
    require(begins_character(text, match.begin) && begins_character(text, match.end));
    end = match.end;
  }
  nwc::regex::Budget again(text.size());
  const nwc::Result<bool> found = regex->found_in(text, again);
  if (found && !matches->empty()) require(*found);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t newline = std::min(input.find('\n'), input.size());
  const std::string pattern = nwc::to_valid_utf8(input.substr(0, newline));
  const std::string text = nwc::to_valid_utf8(input.substr(std::min(newline + 1, input.size())));
  search(pattern, text, nwc::regex::Syntax::kOniguruma);
  search(pattern, text, nwc::regex::Syntax::kPerl);
  return 0;
}
