// A stretch of text on its way to the model, as normalizers and pre-tokenizers pass it on.
#pragma once

#include <string>

namespace nwc::text {

struct Piece {
  std::string text;       // valid UTF-8
  bool at_start = false;  // its first character stems from the first character of the input ("first" of Metaspace)
};

}  // namespace nwc::text
