// The "model" of tokenizer.json: words to token ids. BPE, Unigram, WordPiece and WordLevel.
//
// Thread safety: const members may be called from several threads at once; a WordCache and a Budget belong to one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "nwcodec/result.h"
#include "text/budget.h"
#include "text/models/vocabulary.h"
#include "text/models/word_cache.h"

namespace nwc::text {

class Model {
 public:
  virtual ~Model() = default;

  virtual const Vocabulary& vocabulary() const = 0;
  // How many tokens the reference counts: an added token without an id gets the first one behind them.
  virtual size_t size() const { return vocabulary().size(); }
  // The token that stands for what has none; none if there is no such token.
  virtual std::optional<int32_t> unknown_id() const = 0;
  // nullptr if no token has the id.
  virtual const std::string* token_of(int32_t id) const { return vocabulary().token_of(id); }

  // Appends the ids of `word` (valid UTF-8). Errors: kCorrupt if the file's unk_token is needed but has no id; kLimit
  // if the budget is spent.
  Status encode(std::string_view word, Budget& budget, WordCache& cache, std::vector<int32_t>& ids) const;

 protected:
  // The same without the cache.
  virtual Status encode_word(std::string_view word, Budget& budget, std::vector<int32_t>& ids) const = 0;
};

// Errors: kCorrupt, kUnsupported, kLimit.
Result<std::unique_ptr<Model>> make_model(const Json& json);

}  // namespace nwc::text
