// Normalizers of tokenizer.json: what happens to a text before it is split.
// Supported: Sequence, Prepend, Replace, Strip, StripAccents, Lowercase, BertNormalizer, ByteLevel, Nmt, Precompiled,
// NFC, NFD, NFKC, NFKD.
//
// Thread safety: const members may be called from several threads at once.
#pragma once

#include <memory>

#include "base/json.h"
#include "nwcodec/result.h"
#include "text/budget.h"
#include "text/piece.h"

namespace nwc::text {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  // Errors: kLimit if the text would become longer than the budget allows or a regular expression backtracks too much.
  virtual Status apply(Piece& piece, Budget& budget) const = 0;
};

// What a normalizer says when the text becomes longer than the budget allows.
Error too_long(const Budget& budget);

// A null pointer for null.
Result<std::unique_ptr<Normalizer>> make_normalizer(const Json& json);

}  // namespace nwc::text
