// Pre-tokenizers of tokenizer.json: how normalised text is split into the words that the model sees one by one.
// Supported: Sequence, ByteLevel, Split, Metaspace, Digits, Whitespace, WhitespaceSplit, Punctuation, BertPreTokenizer,
// CharDelimiterSplit, FixedLength.
//
// Thread safety: const members may be called from several threads at once.
#pragma once

#include <memory>
#include <vector>

#include "base/json.h"
#include "nwcodec/result.h"
#include "text/budget.h"
#include "text/piece.h"

namespace nwc::text {

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Splits `piece`, which is not empty, and appends what it becomes to `out`, empty pieces left out. Errors: kLimit if
  // a regular expression backtracks too much or the pieces together become longer than the budget allows.
  virtual Status split(Piece piece, Budget& budget, std::vector<Piece>& out) const = 0;
};

// A null pointer for null.
Result<std::unique_ptr<PreTokenizer>> make_pre_tokenizer(const Json& json);

}  // namespace nwc::text
