// The text of the tokens that were scored, for reports.
#pragma once

#include <cstdint>
#include <span>

#include "report/divergence/divergence_profile.h"
#include "text/token_text.h"

namespace nwc::cli {

// Of whole windows of `context` tokens, each by itself.
WindowTexts window_texts(TokenTexts& texts, std::span<const int32_t> ids, int64_t context);

}  // namespace nwc::cli
