// The Unigram model of tokenizer.json (SentencePiece's default: T5, XLM-R, ALBERT): a word is cut into the tokens whose
// scores add up to the most.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "text/models/model.h"
#include "text/models/prefix_table.h"

namespace nwc::text {

class Unigram : public Model {
 public:
  // Reads vocab, a list of [token, score], unk_id and byte_fallback. Errors: kCorrupt, kLimit.
  static Result<Unigram> from_json(const Json& json);
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  std::optional<int32_t> unknown_id() const override { return unknown_id_; }
  size_t size() const override { return tokens_.size(); }
  const std::string* token_of(int32_t id) const override;

 protected:
  // Neighbouring unknown characters are one unknown token, or the tokens of all their bytes. Of paths with equal scores
  // the first found counts, as in the reference.
  Status encode_word(std::string_view word, Budget& budget, std::vector<int32_t>& ids) const override;

 private:
  Unigram() = default;
  Status append_piece(std::string_view piece, std::vector<int32_t>& ids) const;

  Vocabulary vocabulary_;            // of equal tokens the last
  std::vector<std::string> tokens_;  // by id
  std::vector<double> scores_;
  PrefixTable prefixes_;
  double unknown_score_ = 0;
  std::optional<int32_t> unknown_id_;
  bool byte_fallback_ = false;
  std::array<int32_t, 256> byte_ids_{};  // of "<0x00>" to "<0xFF>"; -1 for a token that is not there
};

}  // namespace nwc::text
