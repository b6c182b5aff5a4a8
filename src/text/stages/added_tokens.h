// Tokens beside the model's vocabulary, such as "<s>": they are found in the text before it is split, and never split.
//
// Thread safety: const members may be called from several threads at once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "nwcodec/result.h"

namespace nwc::text {

struct AddedToken {
  std::string content;
  int32_t id;        // as the file has it, until AddedVocabulary numbers it
  bool single_word;  // not inside of a word
  bool lstrip;       // takes the white space before it along
  bool rstrip;       // takes the white space behind it along
  bool normalized;   // is looked for in the normalised text, in its own normalised form
  bool special;      // is left out by decode() on request
  bool operator==(const AddedToken&) const = default;
};

// The "added_tokens" array. Errors: kCorrupt, kLimit.
Result<std::vector<AddedToken>> read_added_tokens(const Json& json);

// Finds added tokens in a text.
class AddedTokenFinder {
 public:
  // A part of a text: an added token, or what lies between two of them (never empty).
  struct Part {
    size_t begin;
    size_t end;
    std::optional<int32_t> id;
  };

  // Looks for `content` as the token `token`; of two equal contents the first added wins, an empty one is never found.
  void add(std::string content, const AddedToken& token);
  // To be called once, after the last add().
  void prepare();

  // Of the tokens that begin at the same place the longest counts, as does the leftmost of tokens that overlap.
  std::vector<Part> find(std::string_view text) const;

 private:
  struct Entry {
    std::string content;
    int32_t id;
    bool single_word;
    bool lstrip;
    bool rstrip;
  };
  const Entry* longest_at(std::string_view text) const;

  std::vector<Entry> entries_;      // after prepare(): by content, no two equal
  std::vector<size_t> first_byte_;  // 257 positions in entries_: where contents with each first byte begin
};

}  // namespace nwc::text
