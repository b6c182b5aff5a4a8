#include "text/unreadable.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <unordered_map>

namespace nwc {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Nothing but replacement characters, at least one, after white space.
bool is_pieces(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return false;
  for (size_t i = begin; i < text.size(); i += kReplacement.size()) {
    if (text.substr(i, kReplacement.size()) != kReplacement) return false;
  }
  return true;
}

bool is_fallback_byte(std::string_view token) {
  return token.size() == 6 && token.starts_with("<0x") && token.ends_with('>') &&
         std::isxdigit(static_cast<unsigned char>(token[3])) != 0 &&
         std::isxdigit(static_cast<unsigned char>(token[4])) != 0;
}

bool is_control(std::string_view text) {
  if (text.size() != 1) return false;
  const auto c = static_cast<unsigned char>(text[0]);
  return (c < 0x20 && std::isspace(c) == 0) || c == 0x7f;
}

bool is_unreadable(const Tokenizer& tokenizer, int32_t id) {
  if (id == tokenizer.unknown_id()) return true;
  if (is_fallback_byte(tokenizer.id_to_token(id).value_or(""))) return true;
  const std::string text = tokenizer.decode({&id, 1}, /*skip_special_tokens=*/false);
  return is_pieces(text) || is_control(text);
}

}  // namespace

double unreadable_share(const Tokenizer& tokenizer, std::span<const int32_t> ids) {
  if (ids.empty()) return 0;
  std::unordered_map<int32_t, int64_t> counts;
  for (const int32_t id : ids) ++counts[id];
  int64_t unreadable = 0;
  for (const auto& [id, count] : counts) {
    if (is_unreadable(tokenizer, id)) unreadable += count;
  }
  return static_cast<double>(unreadable) / static_cast<double>(ids.size());
}

}  // namespace nwc
