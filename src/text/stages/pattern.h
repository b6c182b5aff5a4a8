// What Split and Replace look for: a literal string or a regular expression.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "regex/regex.h"
#include "text/component.h"

namespace nwc::text {

class Pattern {
 public:
  // From the member `name`: {"String": text} or {"Regex": pattern}. An empty string is refused (kUnsupported).
  static Result<Pattern> from(const Fields& fields, std::string_view name);
  static Result<Pattern> from_regex(std::string_view pattern);

  // As regex::Regex::find_all.
  Result<std::vector<regex::Range>> find_all(std::string_view text, regex::Budget& budget) const;

  // The literal string; nullopt for a regular expression. Searching for a literal cannot fail.
  const std::optional<std::string>& literal() const { return literal_; }

 private:
  Pattern() = default;
  std::optional<std::string> literal_;
  std::optional<regex::Regex> regex_;
};

std::vector<regex::Range> find_literal(std::string_view text, std::string_view literal);
std::string replace_ranges(std::string_view text, const std::vector<regex::Range>& ranges,
                           std::string_view replacement);

}  // namespace nwc::text
