// Precompiled, the normalizer of tokenizers that were converted from SentencePiece: a table of replacements, as
// SentencePiece stores it, a double-array trie and the texts that its leaves point to.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/component.h"
#include "text/stages/normalizer.h"

namespace nwc::text {

// "precompiled_charsmap" in base64. kCorrupt for what is no such table.
Result<std::unique_ptr<Normalizer>> make_precompiled(const Fields& fields);

// The table alone.
class CharacterMap {
 public:
  // The number of bytes of the trie, the trie in units of 32 bits, little-endian, and texts that end in NUL.
  static Result<CharacterMap> parse(std::string_view bytes);

  // What the shortest beginning of `text` that is in the table becomes; nullopt if none is. A trie that points outside
  // of itself or of the texts finds nothing.
  std::optional<std::string_view> find(std::string_view text) const;

 private:
  CharacterMap() = default;
  std::vector<uint32_t> trie_;
  std::string texts_;
};

// The bytes that base64 stands for; nullopt for what is none.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace nwc::text
