#include "text/models/word_piece.h"

#include "nwcodec/limits.h"
#include "regex/utf8.h"
#include "text/component.h"
#include "text/models/unknown_token.h"

namespace nwc::text {
namespace {

bool longer_than(std::string_view word, size_t characters) {
  if (word.size() <= characters) return false;
  size_t count = 0;
  for (size_t pos = 0; pos < word.size(); pos += utf8_length(word[pos])) count += 1;
  return count > characters;
}

}  // namespace

Result<WordPiece> WordPiece::from_json(const Json& json) {
  NWC_ASSIGN_OR_RETURN(const Fields fields, Fields::of(json, "model"));
  WordPiece model;
  NWC_ASSIGN_OR_RETURN(const Json* vocabulary, fields.require("vocab"));
  NWC_ASSIGN_OR_RETURN(model.vocabulary_, Vocabulary::from_json(*vocabulary));
  NWC_ASSIGN_OR_RETURN(model.unknown_token_, fields.string("unk_token", "[UNK]"));
  NWC_ASSIGN_OR_RETURN(const std::string prefix, fields.string("continuing_subword_prefix", "##"));
  if (fields.find("max_input_chars_per_word") != nullptr) {
    NWC_ASSIGN_OR_RETURN(model.max_characters_, fields.count("max_input_chars_per_word", limits::kMaxText));
  }
  model.vocabulary_.for_each([&](const std::string& token, int32_t id) {
    model.begin_.add(token, id);
    if (token.starts_with(prefix)) model.continue_.add(token.substr(prefix.size()), id);
  });
  model.begin_.prepare();
  model.continue_.prepare();
  return model;
}

Status WordPiece::encode_word(std::string_view word, Budget& budget, std::vector<int32_t>& ids) const {
  const size_t before = ids.size();
  size_t pos = longer_than(word, max_characters_) ? word.size() + 1 : 0;
  while (pos < word.size()) {
    size_t longest = 0;
    int32_t id = 0;
    (pos == 0 ? begin_ : continue_).for_each_at(word.substr(pos), [&](size_t length, int32_t token) {
      longest = length;
      id = token;
    });
    if (budget.out_of_time()) return Error(ErrorCode::kLimit, "model: its tokens take too long on this text");
    if (longest == 0) {
      pos = word.size() + 1;
    } else {
      ids.push_back(id);
      pos += longest;
    }
  }
  if (pos <= word.size()) return {};
  ids.resize(before);
  const std::optional<int32_t> unknown = vocabulary_.id_of(unknown_token_);
  if (!unknown) return unknown_token_is_missing(word, unknown_token_);
  ids.push_back(*unknown);
  return {};
}

}  // namespace nwc::text
