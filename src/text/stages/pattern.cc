#include "text/stages/pattern.h"

namespace nwc::text {

Result<Pattern> Pattern::from(const Fields& fields, std::string_view name) {
  NWC_ASSIGN_OR_RETURN(const Json* value, fields.require(name));
  NWC_ASSIGN_OR_RETURN(const Fields choice, Fields::of(*value, fields.place() + "." + std::string(name)));
  if (choice.find("Regex") != nullptr) {
    NWC_ASSIGN_OR_RETURN(const std::string text, choice.string("Regex"));
    Result<Pattern> pattern = from_regex(text);
    if (!pattern) return choice.error(pattern.error().code(), pattern.error().message());
    return pattern;
  }
  Pattern pattern;
  NWC_ASSIGN_OR_RETURN(pattern.literal_, choice.string("String"));
  if (pattern.literal_->empty()) return choice.error(ErrorCode::kUnsupported, "an empty pattern is not supported");
  return pattern;
}

Result<Pattern> Pattern::from_regex(std::string_view text) {
  Pattern pattern;
  NWC_ASSIGN_OR_RETURN(pattern.regex_, regex::Regex::compile(text, regex::Syntax::kOniguruma));
  return pattern;
}

Result<std::vector<regex::Range>> Pattern::find_all(std::string_view text, regex::Budget& budget) const {
  if (literal_) return find_literal(text, *literal_);
  return regex_->find_all(text, budget);
}

std::vector<regex::Range> find_literal(std::string_view text, std::string_view literal) {
  std::vector<regex::Range> matches;
  for (size_t at = text.find(literal); at != text.npos; at = text.find(literal, at + literal.size())) {
    matches.push_back({at, at + literal.size()});
  }
  return matches;
}

std::string replace_ranges(std::string_view text, const std::vector<regex::Range>& ranges,
                           std::string_view replacement) {
  size_t removed = 0;
  for (const regex::Range& range : ranges) removed += range.end - range.begin;
  std::string result;
  result.reserve(text.size() - removed + ranges.size() * replacement.size());
  size_t done = 0;
  for (const regex::Range& range : ranges) {
    result.append(text, done, range.begin - done);
    result += replacement;
    done = range.end;
  }
  result.append(text, done);
  return result;
}

}  // namespace nwc::text
