#include "zeroshot/pair_tokens.h"

#include <fmt/format.h>

#include <array>
#include <vector>

#include "base/file.h"
#include "base/json.h"

namespace nwc {
namespace {

constexpr uint64_t kMaxConfigBytes = uint64_t{64} << 20;

// What Python's str.isspace() takes for white space, in UTF-8.
constexpr std::array<std::string_view, 29> kSpaces = {
    "\t",     "\n",     "\v",     "\f",     "\r",     "\x1C",   "\x1D",   "\x1E",   "\x1F",   " ",
    "\u0085", "\u00A0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",
    "\u2007", "\u2008", "\u2009", "\u200A", "\u2028", "\u2029", "\u202F", "\u205F", "\u3000"};

std::string_view without_trailing_spaces(std::string_view text) {
  for (bool found = true; found;) {
    found = false;
    for (const std::string_view space : kSpaces) {
      if (!text.ends_with(space)) continue;
      text.remove_suffix(space.size());
      found = true;
    }
  }
  return text;
}

// The value of a special token's key: a string, or an object that has it as "content".
std::optional<std::string> token_text(const Json& config, const char* key) {
  auto found = config.find(key);
  if (found == config.end()) return std::nullopt;
  const Json& value = found->is_object() && found->contains("content") ? (*found)["content"] : *found;
  if (!value.is_string()) return std::nullopt;
  return value.get<std::string>();
}

Result<Json> optional_config(const std::filesystem::path& path) {
  const Result<std::string> text = read_text_file(path, kMaxConfigBytes);
  if (!text && text.error().code() == ErrorCode::kNotFound) return Json::object();
  if (!text) return text.error();
  Result<Json> config = parse_json(*text, JsonDialect::kPython);
  if (!config) return std::move(config).error().in_file(path.string());
  return config->is_object() ? *std::move(config) : Json::object();
}

}  // namespace

Result<PrefixToken> prefix_token_of(const std::filesystem::path& checkpoint, const Tokenizer& tokenizer) {
  NWC_ASSIGN_OR_RETURN(const Json config, optional_config(checkpoint / "tokenizer_config.json"));
  NWC_ASSIGN_OR_RETURN(const Json map, optional_config(checkpoint / "special_tokens_map.json"));
  for (const char* key : {"bos_token", "eos_token"}) {
    std::optional<std::string> text = token_text(config, key);
    if (!text) text = token_text(map, key);
    const std::optional<int32_t> id = text ? tokenizer.token_to_id(*text) : std::nullopt;
    if (id) return PrefixToken{id, tokenizer.decode({&*id, 1}, /*skip_special_tokens=*/false)};
  }
  return PrefixToken{};
}

Result<ScoredTokens> encode_pair(const Tokenizer& tokenizer, const PrefixToken& prefix, std::string_view context,
                                 std::string_view continuation) {
  const auto encode = [&](const std::string& text) {
    const bool begun = !prefix.text.empty() && text.starts_with(prefix.text);
    return tokenizer.encode(text, /*add_special_tokens=*/!begun);
  };
  const std::string before(without_trailing_spaces(context));
  const std::string whole = std::string(context) + std::string(continuation);
  ScoredTokens scored;
  if (!before.empty()) {
    NWC_ASSIGN_OR_RETURN(scored.tokens, encode(before));
    scored.scored_from = scored.tokens.size();
    NWC_ASSIGN_OR_RETURN(const std::vector<int32_t> all, encode(whole));
    if (all.size() > scored.scored_from)
      scored.tokens.insert(scored.tokens.end(), all.begin() + static_cast<std::ptrdiff_t>(scored.scored_from),
                           all.end());
  } else {
    NWC_ASSIGN_OR_RETURN(scored.tokens, tokenizer.encode(whole, /*add_special_tokens=*/false));
    if (!prefix.id) {
      return Error(ErrorCode::kInvalidArgument,
                   "the context is empty, and the tokenizer has neither bos_token nor eos_token");
    }
    if (scored.tokens.empty() || scored.tokens[0] != *prefix.id)
      scored.tokens.insert(scored.tokens.begin(), *prefix.id);
    scored.scored_from = 1;
  }
  if (scored.tokens.size() <= scored.scored_from)
    return Error(ErrorCode::kInvalidArgument, "the choice has no token of its own behind the context's");
  return scored;
}

Result<int64_t> truncate_left(ScoredTokens& scored, int64_t max_positions) {
  const int64_t length = std::ssize(scored.tokens), over = length - (max_positions + 1);
  if (over <= 0) return 0;
  if (length - static_cast<int64_t>(scored.scored_from) > max_positions) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the choice has {} tokens, more than the {} that the model was made for",
                             length - static_cast<int64_t>(scored.scored_from), max_positions));
  }
  scored.tokens.erase(scored.tokens.begin(), scored.tokens.begin() + over);
  scored.scored_from -= static_cast<size_t>(over);
  return over;
}

}  // namespace nwc
