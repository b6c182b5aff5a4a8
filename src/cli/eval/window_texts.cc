#include "cli/eval/window_texts.h"

#include <utility>

namespace nwc::cli {

WindowTexts window_texts(TokenTexts& texts, std::span<const int32_t> ids, int64_t context) {
  WindowTexts tokens;
  tokens.ids.assign(ids.begin(), ids.end());
  tokens.pieces.reserve(ids.size());
  tokens.classes.reserve(ids.size());
  const auto length = static_cast<size_t>(context);
  for (size_t first = 0; first < ids.size(); first += length) {
    const std::span<const int32_t> window = ids.subspan(first, length);
    std::string before;  // the text of the last token that has one
    for (std::string& piece : texts_in_place(texts, window)) {
      const TokenText& alone = texts.of(ids[tokens.pieces.size()]);
      tokens.classes.push_back(class_of(alone.text, alone.special, before));
      if (!piece.empty()) before = alone.special ? "" : piece;
      tokens.pieces.push_back(std::move(piece));
    }
  }
  return tokens;
}

}  // namespace nwc::cli
