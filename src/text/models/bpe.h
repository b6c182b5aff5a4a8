// The BPE model of tokenizer.json.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "nwcodec/result.h"
#include "text/models/merge_table.h"
#include "text/models/model.h"

namespace nwc::text {

class Bpe : public Model {
 public:
  // From the "model" object. Reads vocab, merges (both "a b" and ["a", "b"]), unk_token, fuse_unk, byte_fallback,
  // ignore_merges, continuing_subword_prefix and end_of_word_suffix; a dropout other than 0 is refused (kUnsupported).
  // Errors: kCorrupt, kUnsupported, kLimit.
  static Result<Bpe> from_json(const Json& json);

  const Vocabulary& vocabulary() const override { return vocabulary_; }
  std::optional<int32_t> unknown_id() const override { return unknown_id_; }

 protected:
  // Characters without a token become their bytes' tokens (byte_fallback), else unk_token, else nothing, as in the
  // reference. Time is O(n log n) in the length of the word.
  Status encode_word(std::string_view word, Budget& budget, std::vector<int32_t>& ids) const override;

 private:
  Bpe() = default;
  Status read_merges(const Json& json);
  Result<std::vector<int32_t>> characters_of(std::string_view word) const;
  void merge(std::vector<int32_t>& symbols) const;

  Vocabulary vocabulary_;
  MergeTable merges_;
  std::array<int32_t, 256>
      byte_ids_{};  // of "<0x00>" to "<0xFF>", -1 for a token that is not there; with byte_fallback_
  bool byte_fallback_ = false;
  bool ignore_merges_ = false;
  bool fuse_unknown_ = false;
  std::optional<std::string> unknown_token_;
  std::optional<int32_t> unknown_id_;
  std::string prefix_;  // of characters that continue a word
  std::string suffix_;  // of the character that ends a word
};

}  // namespace nwc::text
