#include "text/token_text.h"

#include <algorithm>
#include <string_view>

namespace nwc {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
// A character has up to four bytes, and a token may end one character and begin another.
constexpr size_t kTokensTogether = 8;

// Of how many tokens from the first on the text is other than their texts one by one, and does not end within a
// character; 1 if there are none such.
size_t tokens_of_whole_characters(TokenTexts& texts, std::span<const int32_t> ids) {
  std::string one_by_one = texts.of(ids[0]).text;
  if (!one_by_one.ends_with(kReplacement)) return 1;
  for (size_t n = 2; n <= std::min(kTokensTogether, ids.size()); ++n) {
    one_by_one += texts.of(ids[n - 1]).text;
    const std::string together = texts.together(ids.first(n));
    if (together != one_by_one && !together.ends_with(kReplacement)) return n;
  }
  return 1;
}

}  // namespace

TokenTexts::TokenTexts(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
  for (const char* letter : {"a", "e", "A", "0", "\xE7\x9A\x84"}) {  // the last is a frequent Chinese character
    const std::optional<int32_t> id = tokenizer.token_to_id(letter);
    if (!id) continue;
    anchor_ = {*id};
    anchor_text_ = tokenizer.decode(anchor_, /*skip_special_tokens=*/false);
    if (!anchor_text_.empty()) return;
  }
  anchor_.clear();
}

std::string TokenTexts::together(std::span<const int32_t> ids) const {
  std::vector<int32_t> anchored = anchor_;
  anchored.insert(anchored.end(), ids.begin(), ids.end());
  std::string text = tokenizer_.decode(anchored, /*skip_special_tokens=*/false);
  if (!anchor_.empty() && text.starts_with(anchor_text_)) return text.substr(anchor_text_.size());
  return tokenizer_.decode(ids, /*skip_special_tokens=*/false);
}

const TokenText& TokenTexts::of(int32_t id) {
  const auto found = texts_.find(id);
  if (found != texts_.end()) return found->second;
  TokenText token{.text = together({&id, 1})};
  const std::string alone = tokenizer_.decode({&id, 1}, /*skip_special_tokens=*/false);
  token.special = !alone.empty() && tokenizer_.decode({&id, 1}, /*skip_special_tokens=*/true).empty();
  if (token.special) token.text = alone;
  return texts_.emplace(id, std::move(token)).first->second;
}

std::vector<std::string> texts_in_place(TokenTexts& texts, std::span<const int32_t> ids) {
  std::vector<std::string> pieces(ids.size());
  for (size_t i = 0; i < ids.size();) {
    const size_t end = i + tokens_of_whole_characters(texts, ids.subspan(i));
    pieces[end - 1] = end - i == 1 ? texts.of(ids[i]).text : texts.together(ids.subspan(i, end - i));
    i = end;
  }
  return pieces;
}

}  // namespace nwc
