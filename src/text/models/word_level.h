// The WordLevel model of tokenizer.json: a word is a token, or unknown.
#pragma once

#include <string>

#include "text/models/model.h"

namespace nwc::text {

class WordLevel : public Model {
 public:
  // Reads vocab and unk_token. Errors: kCorrupt, kLimit.
  static Result<WordLevel> from_json(const Json& json);
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  std::optional<int32_t> unknown_id() const override { return vocabulary_.id_of(unknown_token_); }

 protected:
  Status encode_word(std::string_view word, Budget& budget, std::vector<int32_t>& ids) const override;

 private:
  WordLevel() = default;
  Vocabulary vocabulary_;
  std::string unknown_token_;
};

}  // namespace nwc::text
