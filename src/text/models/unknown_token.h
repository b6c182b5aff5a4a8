// What all models say when a text needs a token that is not there.
#pragma once

#include <string>
#include <string_view>

#include "nwcodec/result.h"

namespace nwc::text {

inline Error unknown_token_is_missing(std::string_view of_text, std::string_view unknown_token) {
  return Error(ErrorCode::kCorrupt, "the text has '" + std::string(of_text.substr(0, 100)) +
                                        "', which needs unk_token '" + std::string(unknown_token.substr(0, 100)) +
                                        "', but that is not in the vocabulary");
}

}  // namespace nwc::text
