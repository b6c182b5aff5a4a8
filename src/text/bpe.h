// The BPE model of tokenizer.json: words to token ids.
//
// Thread safety: const members may be called from several threads at once; a WordCache belongs to one of them.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/json.h"
#include "nwcodec/result.h"
#include "text/merge_table.h"
#include "text/vocabulary.h"

namespace nwc::text {

// Words that were encoded already, so that the common ones of a long text are merged once.
class WordCache {
 private:
  friend class Bpe;
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct Entry {
    size_t begin;  // in ids_
    size_t count;
  };
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> words_;
  std::vector<int32_t> ids_;
};

class Bpe {
 public:
  // From the "model" object. Reads vocab, merges (both "a b" and ["a", "b"]), unk_token, fuse_unk, byte_fallback,
  // ignore_merges, continuing_subword_prefix and end_of_word_suffix; a dropout other than 0 is refused (kUnsupported).
  // Errors: kCorrupt, kUnsupported, kLimit.
  static Result<Bpe> from_json(const Json& json);

  const Vocabulary& vocabulary() const { return vocabulary_; }

  // Appends the ids of `word` (valid UTF-8). Characters without a token become their bytes' tokens (byte_fallback),
  // else unk_token, else nothing, as in the reference. Time is O(n log n) in the length of the word. kCorrupt if
  // unk_token is needed but not in the vocabulary.
  Status encode(std::string_view word, WordCache& cache, std::vector<int32_t>& ids) const;

 private:
  Bpe() = default;
  Status read_vocabulary(const Json& json);
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
