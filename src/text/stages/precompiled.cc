#include "text/stages/precompiled.h"

#include "regex/utf8.h"
#include "text/stages/graphemes.h"

namespace nwc::text {
namespace {

using Made = Result<std::unique_ptr<Normalizer>>;

// A unit of the double array, as the library Darts stores it.
bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t value_of(uint32_t unit) { return unit & 0x7FFFFFFF; }
uint32_t label_of(uint32_t unit) { return unit & 0x800000FF; }
uint32_t offset_of(uint32_t unit) { return unit >> 10 << ((unit & 0x200) >> 6); }

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

class Precompiled : public Normalizer {
 public:
  explicit Precompiled(CharacterMap map) : map_(std::move(map)) {}

  Status apply(Piece& piece, Budget& budget) const override {
    constexpr size_t kLongestLookedUp = 5;  // bytes of a grapheme
    std::string normalised;
    normalised.reserve(piece.text.size());
    const std::string_view text = piece.text;
    for (size_t pos = 0; pos < text.size();) {
      const std::string_view grapheme = text.substr(pos, grapheme_length(text.substr(pos)));
      pos += grapheme.size();
      const auto whole = grapheme.size() <= kLongestLookedUp ? map_.find(grapheme) : std::nullopt;
      if (whole) {
        normalised += *whole;
      } else {
        for (size_t at = 0; at < grapheme.size();) {
          const std::string_view character = grapheme.substr(at, utf8_length(grapheme[at]));
          normalised += map_.find(character).value_or(character);
          at += character.size();
          if (normalised.size() > budget.max_bytes()) return too_long(budget);
        }
      }
      if (normalised.size() > budget.max_bytes()) return too_long(budget);
    }
    piece.text = std::move(normalised);
    return {};
  }

 private:
  CharacterMap map_;
};

}  // namespace

std::optional<std::string> from_base64(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  uint32_t bits = 0;
  unsigned pending = 0;
  for (const char c : text) {
    const int digit = base64_digit(c);
    if (digit < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    pending += 6;
    if (pending >= 8) {
      pending -= 8;
      bytes.push_back(static_cast<char>(bits >> pending & 0xFF));
    }
  }
  if (pending >= 6) return std::nullopt;
  return bytes;
}

Result<CharacterMap> CharacterMap::parse(std::string_view bytes) {
  const auto unit_at = [&](size_t at) {
    uint32_t unit = 0;
    for (size_t i = 4; i-- > 0;) unit = unit << 8 | static_cast<unsigned char>(bytes[at + i]);
    return unit;
  };
  if (bytes.size() < 4) return Error(ErrorCode::kCorrupt, "is too short");
  const uint32_t trie_bytes = unit_at(0);
  if (trie_bytes > bytes.size() - 4 || trie_bytes % 4 != 0)
    return Error(ErrorCode::kCorrupt, "has a trie that is longer than itself");
  CharacterMap map;
  map.trie_.reserve(trie_bytes / 4);
  for (size_t at = 4; at < 4 + size_t{trie_bytes}; at += 4) map.trie_.push_back(unit_at(at));
  map.texts_ = bytes.substr(4 + size_t{trie_bytes});
  if (!is_valid_utf8(map.texts_)) return Error(ErrorCode::kCorrupt, "has texts that are not UTF-8");
  return map;
}

std::optional<std::string_view> CharacterMap::find(std::string_view text) const {
  if (trie_.empty()) return std::nullopt;
  size_t node = offset_of(trie_[0]);
  for (const char c : text) {
    if (c == 0) return std::nullopt;
    node ^= static_cast<unsigned char>(c);
    if (node >= trie_.size() || label_of(trie_[node]) != static_cast<unsigned char>(c)) return std::nullopt;
    const uint32_t unit = trie_[node];
    node ^= offset_of(unit);
    if (!has_leaf(unit)) continue;
    if (node >= trie_.size()) return std::nullopt;
    const size_t begin = value_of(trie_[node]);
    if (begin >= texts_.size() || (static_cast<unsigned char>(texts_[begin]) & 0xC0) == 0x80) return std::nullopt;
    return std::string_view(texts_).substr(begin, texts_.find('\0', begin) - begin);
  }
  return std::nullopt;
}

Made make_precompiled(const Fields& fields) {
  NWC_ASSIGN_OR_RETURN(const std::string text, fields.string("precompiled_charsmap", ""));
  const std::optional<std::string> bytes = from_base64(text);
  if (!bytes) return fields.error(ErrorCode::kCorrupt, "'precompiled_charsmap' is not base64");
  Result<CharacterMap> map = CharacterMap::parse(*bytes);
  if (!map) return fields.error(ErrorCode::kCorrupt, "'precompiled_charsmap' " + map.error().message());
  return Made(std::make_unique<Precompiled>(*std::move(map)));
}

}  // namespace nwc::text
