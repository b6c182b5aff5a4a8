// The WordPiece model of tokenizer.json (BERT and its kin): a word is cut into the longest tokens, from the left.
#pragma once

#include <string>

#include "text/models/model.h"
#include "text/models/prefix_table.h"

namespace nwc::text {

class WordPiece : public Model {
 public:
  // Reads vocab, unk_token, continuing_subword_prefix and max_input_chars_per_word. Errors: kCorrupt, kLimit.
  static Result<WordPiece> from_json(const Json& json);
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  std::optional<int32_t> unknown_id() const override { return vocabulary_.id_of(unknown_token_); }

 protected:
  // A word that is longer than max_input_chars_per_word, or cannot be cut into tokens, is unk_token as a whole.
  Status encode_word(std::string_view word, Budget& budget, std::vector<int32_t>& ids) const override;

 private:
  WordPiece() = default;
  Vocabulary vocabulary_;
  PrefixTable begin_;     // tokens that may begin a word,
  PrefixTable continue_;  // and those that may continue it, without their prefix
  std::string unknown_token_;
  size_t max_characters_ = 100;
};

}  // namespace nwc::text
