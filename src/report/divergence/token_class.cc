#include "report/divergence/token_class.h"

#include <array>
#include <optional>

#include "characters/sets.h"
#include "regex/utf8.h"

namespace nwc {
namespace {

using characters::CodePointSet;

constexpr char32_t kReplacement = 0xFFFD;

const CodePointSet& category(std::string_view name) { return *characters::general_category(name); }

bool is_white_space(char32_t c) {
  static const CodePointSet& set = *characters::binary_property("whitespace");
  return set.contains(c);
}
bool is_line_break(char32_t c) { return (c >= '\n' && c <= '\r') || c == 0x85 || c == 0x2028 || c == 0x2029; }
bool is_letter(char32_t c) {
  static const CodePointSet set = category("L") | category("M");
  return set.contains(c);
}
bool is_number(char32_t c) {
  static const CodePointSet& set = category("N");
  return set.contains(c);
}
bool is_punctuation(char32_t c) {
  static const CodePointSet set = category("P") | category("S");
  return set.contains(c);
}
// Marks that go with any script are of none.
bool is_of_another_script(char32_t c) {
  static const CodePointSet latin =
      *characters::script("latin") | *characters::script("common") | *characters::script("inherited");
  return !latin.contains(c);
}
bool joins_a_word(char32_t c) { return is_letter(c) || is_number(c) || c == '\'' || c == 0x2019; }

std::optional<char32_t> last_of(std::string_view text) {
  if (text.empty()) return std::nullopt;
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return next_code_point(text, at);
}

}  // namespace

std::string_view name_of(TokenClass token_class) {
  constexpr std::array<std::string_view, kTokenClasses> kNames{
      "word start", "word continuation", "number",          "punctuation",   "white space",
      "line break", "other script",      "character piece", "special token", "other"};
  return kNames[static_cast<size_t>(token_class)];
}

TokenClass class_of(std::string_view text, bool special, std::string_view before) {
  if (special) return TokenClass::kSpecial;
  bool all_white = !text.empty(), breaks = false, pieces = false;
  std::optional<char32_t> first_visible, previous = last_of(before);
  for (size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    pieces = pieces || c == kReplacement;
    if (is_number(c)) return TokenClass::kNumber;
    if (is_letter(c)) {
      if (is_of_another_script(c)) return TokenClass::kOtherScript;
      return previous && joins_a_word(*previous) ? TokenClass::kWordContinuation : TokenClass::kWordStart;
    }
    breaks = breaks || is_line_break(c);
    if (!is_white_space(c)) {
      all_white = false;
      if (!first_visible) first_visible = c;
    }
    previous = c;
  }
  if (pieces) return TokenClass::kCharacterPiece;
  if (all_white) return breaks ? TokenClass::kLineBreak : TokenClass::kWhiteSpace;
  return first_visible && is_punctuation(*first_visible) ? TokenClass::kPunctuation : TokenClass::kOther;
}

}  // namespace nwc
