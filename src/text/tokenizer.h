// Text to token ids and back, as a Hugging Face tokenizer.json says.
//
// Reads BPE models, byte-level (GPT-2, Llama 3, Qwen, ...) and with byte fallback (Llama 2, Mistral, Gemma, ...),
// Unigram (T5, XLM-R), WordPiece (BERT) and WordLevel models, and gives the ids that the `tokenizers` library gives, on
// every system: sets of characters are our own (characters/sets.h). Component tables in src/text/stages list what is
// supported; anything else in the file is refused by name. The file's "truncation" and "padding" are ignored, as
// transformers ignores them by default.
//
// Differences from that library: the limits of nwcodec/limits.h hold; see also regex/oniguruma.h.
//
// Thread safety: immutable after loading; const members may be called from several threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

class Tokenizer {
 public:
  // Errors: kNotFound, kIo, kCorrupt, kUnsupported, kLimit; each names the file and the place in it.
  static Result<Tokenizer> open(const std::filesystem::path& path);
  // The same from memory; `label` stands for the file name in errors.
  static Result<Tokenizer> parse(std::string_view json_text, const std::string& label);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // The ids of `text`, with the file's special tokens around them (such as "<s>" before) if asked for. Special tokens
  // that are written out in the text are recognised in either case. Bytes that are not UTF-8 count as U+FFFD, one for
  // each maximal part of an ill-formed sequence. A character that has no token, no byte tokens and no unk_token is
  // dropped. Empty text has no ids but the special tokens. Errors: kLimit for text over limits::kMaxText bytes, text
  // that the file's normalizer lengthens too much, or regular expressions that backtrack too much on it; kCorrupt if
  // the file's unk_token is needed but has no id; kInterrupted when `progress` asks to stop.
  Result<std::vector<int32_t>> encode(std::string_view text, bool add_special_tokens,
                                      const Progress& progress = {}) const;
  // The same for a whole file, which is not read if it is too long. Errors name it; kNotFound, kIo too.
  Result<std::vector<int32_t>> encode_file(const std::filesystem::path& path, bool add_special_tokens,
                                           const Progress& progress = {}) const;

  // The text of `ids`, always valid UTF-8; ids that no token has are skipped, as are special tokens if asked for.
  std::string decode(std::span<const int32_t> ids, bool skip_special_tokens) const;

  // The number of tokens, added ones included.
  size_t vocab_size() const;
  // One above the highest id: how many rows an embedding needs at least.
  int32_t id_limit() const;
  std::optional<int32_t> token_to_id(std::string_view token) const;
  // The token that stands for characters that have none; none if there is no such token.
  std::optional<int32_t> unknown_id() const;
  // The token as it is written in the file ("\u0120the" for " the"); nullopt if no token has the id.
  std::optional<std::string> id_to_token(int32_t id) const;

  // What the file says and the reference does otherwise: ids of added tokens that it does not give them, equal ids or
  // keys. Each names the file.
  const std::vector<std::string>& warnings() const;

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<const State> state);
  std::unique_ptr<const State> state_;
};

}  // namespace nwc
