#include "text/stages/added_tokens.h"

#include <algorithm>

#include "nwcodec/limits.h"
#include "regex/utf8.h"
#include "text/component.h"
#include "text/unicode.h"

namespace nwc::text {
namespace {

unsigned char byte_at(std::string_view text, size_t i) { return static_cast<unsigned char>(text[i]); }

// The last character before `pos`; pos > 0.
char32_t character_before(std::string_view text, size_t& pos) {
  do {
    --pos;
  } while ((byte_at(text, pos) & 0xC0) == 0x80);
  size_t behind = pos;
  return next_code_point(text, behind);
}

// Not further back than `floor`.
size_t skip_space_before(std::string_view text, size_t pos, size_t floor) {
  while (pos > floor) {
    size_t previous = pos;
    if (!is_white_space(character_before(text, previous))) break;
    pos = previous;
  }
  return pos;
}

size_t skip_space_behind(std::string_view text, size_t pos) {
  while (pos < text.size()) {
    size_t next = pos;
    if (!is_white_space(next_code_point(text, next))) break;
    pos = next;
  }
  return pos;
}

bool inside_word(std::string_view text, size_t begin, size_t end) {
  if (begin > 0) {
    size_t pos = begin;
    if (is_word(character_before(text, pos))) return true;
  }
  if (end < text.size()) {
    size_t pos = end;
    if (is_word(next_code_point(text, pos))) return true;
  }
  return false;
}

}  // namespace

Result<std::vector<AddedToken>> read_added_tokens(const Json& json) {
  std::vector<AddedToken> tokens;
  if (json.is_null()) return tokens;
  if (!json.is_array()) return Error(ErrorCode::kCorrupt, "added_tokens is not an array");
  for (size_t i = 0; i < json.size(); ++i) {
    NWC_ASSIGN_OR_RETURN(const Fields fields, Fields::of(json[i], "added_tokens[" + std::to_string(i) + "]"));
    AddedToken token;
    NWC_ASSIGN_OR_RETURN(token.content, fields.string("content"));
    NWC_ASSIGN_OR_RETURN(token.id, fields.token_id("id"));
    NWC_ASSIGN_OR_RETURN(token.special, fields.boolean("special", false));
    NWC_ASSIGN_OR_RETURN(token.single_word, fields.boolean("single_word", false));
    NWC_ASSIGN_OR_RETURN(token.lstrip, fields.boolean("lstrip", false));
    NWC_ASSIGN_OR_RETURN(token.rstrip, fields.boolean("rstrip", false));
    NWC_ASSIGN_OR_RETURN(token.normalized, fields.boolean("normalized", !token.special));
    if (token.content.size() > limits::kMaxAddedToken) {
      return fields.error(ErrorCode::kLimit,
                          "'content' is longer than " + std::to_string(limits::kMaxAddedToken) + " bytes");
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

void AddedTokenFinder::add(std::string content, const AddedToken& token) {
  if (content.empty()) return;
  entries_.push_back({std::move(content), token.id, token.single_word, token.lstrip, token.rstrip});
}

void AddedTokenFinder::prepare() {
  std::stable_sort(entries_.begin(), entries_.end(),
                   [](const Entry& a, const Entry& b) { return a.content < b.content; });
  const auto equal = [](const Entry& a, const Entry& b) { return a.content == b.content; };
  entries_.erase(std::unique(entries_.begin(), entries_.end(), equal), entries_.end());
  first_byte_.assign(257, entries_.size());
  for (size_t i = entries_.size(); i-- > 0;) first_byte_[byte_at(entries_[i].content, 0)] = i;
  for (size_t byte = 256; byte-- > 0;) first_byte_[byte] = std::min(first_byte_[byte], first_byte_[byte + 1]);
}

// The longest content that `text`, which is not empty, begins with. Narrows the sorted entries down byte by byte.
const AddedTokenFinder::Entry* AddedTokenFinder::longest_at(std::string_view text) const {
  auto first = entries_.begin() + static_cast<ptrdiff_t>(first_byte_[byte_at(text, 0)]);
  auto last = entries_.begin() + static_cast<ptrdiff_t>(first_byte_[byte_at(text, 0) + size_t{1}]);
  const Entry* longest = nullptr;
  for (size_t length = 1; first != last; ++length) {
    if (first->content.size() == length) {
      longest = &*first;
      ++first;
    }
    if (length == text.size()) break;
    const unsigned char next = byte_at(text, length);
    first = std::partition_point(first, last, [&](const Entry& e) { return byte_at(e.content, length) < next; });
    last = std::partition_point(first, last, [&](const Entry& e) { return byte_at(e.content, length) == next; });
  }
  return longest;
}

std::vector<AddedTokenFinder::Part> AddedTokenFinder::find(std::string_view text) const {
  std::vector<Part> parts;
  size_t done = 0;
  for (size_t pos = 0; pos < text.size() && !entries_.empty();) {
    const Entry* entry = longest_at(text.substr(pos));
    if (entry == nullptr) {
      ++pos;
      continue;
    }
    size_t begin = pos;
    size_t end = pos + entry->content.size();
    pos = end;
    if (entry->single_word && inside_word(text, begin, end)) continue;
    if (entry->lstrip) begin = skip_space_before(text, begin, done);
    if (entry->rstrip) end = skip_space_behind(text, end);
    if (done < begin) parts.push_back({done, begin, std::nullopt});
    parts.push_back({begin, end, entry->id});
    pos = done = end;
  }
  if (done < text.size()) parts.push_back({done, text.size(), std::nullopt});
  return parts;
}

}  // namespace nwc::text
