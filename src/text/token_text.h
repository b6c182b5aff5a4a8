// The text that tokens stand for, one by one.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "text/tokenizer.h"

namespace nwc {

struct TokenText {
  // As it stands behind other text, so that a space before a word is there. A token of bytes that make no whole
  // character has U+FFFD for them. Valid UTF-8.
  std::string text;
  bool special = false;  // decode() can be told to leave it out; its text is its name, "<s>"
};

// Of single tokens, each decoded once. Keeps a reference to the tokenizer. Not thread-safe.
class TokenTexts {
 public:
  explicit TokenTexts(const Tokenizer& tokenizer);
  // The reference lives as long as this object. Ids that no token has give an empty text.
  const TokenText& of(int32_t id);
  // The text of some tokens that follow one another, as it stands behind other text.
  std::string together(std::span<const int32_t> ids) const;

 private:
  const Tokenizer& tokenizer_;
  std::vector<int32_t> anchor_;  // a letter that stands before what is decoded; empty if no token is one
  std::string anchor_text_;
  std::unordered_map<int32_t, TokenText> texts_;
};

// Of each token the text that it adds; together they are the text of all. Where several tokens make a character, the
// last of them has it, and the others have none.
std::vector<std::string> texts_in_place(TokenTexts& texts, std::span<const int32_t> ids);

}  // namespace nwc
