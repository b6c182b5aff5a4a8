// Checks of XML and of pages that are XML too.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace nwc::testing {

// Whether `text` is well-formed XML of the simple kind that we write: every element closed in its order, attributes
// quoted, no bare ampersand. Independent of the writer.
inline ::testing::AssertionResult well_formed(const std::string& text) {
  std::vector<std::string> open;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '&') {
      const size_t end = text.find(';', i);
      if (end == std::string::npos || end - i > 6) return ::testing::AssertionFailure() << "bare ampersand at " << i;
    }
    if (text[i] == '>') return ::testing::AssertionFailure() << "stray > at " << i;
    if (static_cast<unsigned char>(text[i]) < 0x20 && text[i] != '\n')
      return ::testing::AssertionFailure() << "control character at " << i;
    if (text[i] != '<') continue;
    const size_t end = text.find('>', i);
    if (end == std::string::npos) return ::testing::AssertionFailure() << "unclosed tag at " << i;
    const std::string tag = text.substr(i + 1, end - i - 1);
    i = end;
    if (tag.starts_with('?') || tag.starts_with('!')) continue;
    if (tag.find('<') != std::string::npos) return ::testing::AssertionFailure() << "tag in tag: " << tag;
    size_t quotes = 0;
    for (const char c : tag) quotes += c == '"';
    if (quotes % 2 != 0) return ::testing::AssertionFailure() << "open attribute: " << tag;
    if (tag.starts_with('/')) {
      if (open.empty() || open.back() != tag.substr(1))
        return ::testing::AssertionFailure() << "closes nothing: " << tag;
      open.pop_back();
    } else if (!tag.ends_with('/')) {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
  }
  if (!open.empty()) return ::testing::AssertionFailure() << "never closed: " << open.back();
  return ::testing::AssertionSuccess();
}

}  // namespace nwc::testing
