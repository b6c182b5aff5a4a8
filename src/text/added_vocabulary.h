// The tokens that "added_tokens" of tokenizer.json puts beside or over those of the model.
//
// Thread safety: const members may be called from several threads at once.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "nwcodec/result.h"
#include "text/models/model.h"
#include "text/stages/added_tokens.h"
#include "text/stages/normalizer.h"

namespace nwc::text {

class AddedVocabulary {
 public:
  // Numbers the tokens as the reference does, whatever ids the file gives them: a content that the model or an earlier
  // token has keeps that id, another one gets the next id behind the model's tokens. Empty contents are left out, and
  // of tokens with the same content the last says how it is found. `normalizer` may be null. Errors: those of the
  // normalizer; kLimit for a token that it makes too long.
  static Result<AddedVocabulary> make(const std::vector<AddedToken>& tokens, const Model& model,
                                      const Normalizer* normalizer);

  // nullopt, nullptr: not an added token.
  std::optional<int32_t> id_of(const std::string& content) const;
  const std::string* token_of(int32_t id) const;
  // The same as decode() writes it: normalised, if it is found so.
  const std::string* text_of(int32_t id) const;
  bool is_special(const std::string& content) const { return special_.contains(content); }

  size_t tokens_beside_model() const { return beside_model_; }
  int32_t id_limit() const { return by_id_.empty() ? 0 : by_id_.rbegin()->first + 1; }

  const AddedTokenFinder& in_text() const { return in_text_; }              // looked for in the text as it is,
  const AddedTokenFinder& in_normalized() const { return in_normalized_; }  // and after the normalizer

  // What a user should know: empty contents, ids that differ from the file's.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  AddedVocabulary() = default;
  Status prepare(const Normalizer* normalizer);

  std::unordered_map<std::string, int32_t> by_content_;
  std::map<int32_t, AddedToken> by_id_;
  std::unordered_map<int32_t, std::string> normalized_;
  std::unordered_set<std::string> special_;
  size_t beside_model_ = 0;
  AddedTokenFinder in_text_, in_normalized_;
  std::vector<std::string> warnings_;
};

}  // namespace nwc::text
