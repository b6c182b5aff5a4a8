// The Unicode properties and normal forms that the stages of tokenizers ask for: those of the `tokenizers` library, the
// same on every system (characters/sets.h). Text is valid UTF-8 (regex/utf8.h).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "nwcodec/result.h"

namespace nwc::text {

bool is_white_space(char32_t c);
bool is_word(char32_t c);  // \w of UTS 18: Alphabetic, M, Nd, Pc, Join_Control
bool is_numeric(char32_t c);
bool is_punctuation(char32_t c);  // P, and the ASCII symbols

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };
// Characters newer than Unicode 9 stay as they are: that is the version of the reference's tables, and normal forms of
// older characters never change. kInternal if ICU fails (for example on text over 2 GiB).
Result<std::string> normalize(std::string_view text, NormalForm form);

// Every character by itself, without regard to its neighbours or a language.
std::string lower_case(std::string_view text);

}  // namespace nwc::text
