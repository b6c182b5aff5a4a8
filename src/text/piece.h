// A stretch of text on its way to the model, as normalizers and pre-tokenizers pass it on.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "nwcodec/limits.h"

namespace nwc::text {

struct Piece {
  std::string text;       // valid UTF-8
  bool at_start = false;  // its first character stems from the first character of the input ("first" of Metaspace)
};

// How long a text of `bytes` may grow while it is normalised and split (kLimit beyond that), so that a hostile
// tokenizer.json cannot blow up a short text.
inline size_t max_grown(size_t bytes) {
  return std::min(bytes * limits::kMaxTextGrowth, 4 * limits::kMaxText) + (size_t{64} << 10);
}

}  // namespace nwc::text
