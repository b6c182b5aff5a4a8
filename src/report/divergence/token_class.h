// What kind of text a token is, told from its text alone and the character before it.
#pragma once

#include <cstdint>
#include <string_view>

namespace nwc {

enum class TokenClass : uint8_t {
  kWordStart,         // a word in Latin letters, or its beginning
  kWordContinuation,  // a later piece of one
  kNumber,
  kPunctuation,     // and symbols
  kWhiteSpace,      // without a line break
  kLineBreak,       // white space with one
  kOtherScript,     // a letter or mark of another script than Latin
  kCharacterPiece,  // bytes that alone make no character
  kSpecial,         // <s> and the like
  kOther,           // control characters, nothing at all
};
inline constexpr size_t kTokenClasses = 10;
std::string_view name_of(TokenClass token_class);

// `text`: of the token alone, as TokenText has it (text/token_text.h), valid UTF-8; `before`: the text of what stands
// before it, of which the last character counts, empty at the beginning of a window. The first letter, mark or digit
// decides; without one, the first character that is no white space. A word begins where the character before its first
// letter is no letter, mark, digit or apostrophe: "don", "'t" are a start and a continuation.
TokenClass class_of(std::string_view text, bool special, std::string_view before);

}  // namespace nwc
