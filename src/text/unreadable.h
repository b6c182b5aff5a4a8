// How much of a text a tokenizer cannot read.
#pragma once

#include <cstdint>
#include <span>

#include "text/tokenizer.h"

namespace nwc {

// From this share on, a text is in an encoding or a language that the tokenizer was not made for.
inline constexpr double kMostlyUnreadable = 0.5;

// The share of `ids` that alone is no text: the unknown token; a byte of byte fallback (<0xNN>); a byte-level token of
// pieces of characters, a single byte above ASCII or the beginning or end of a character, perhaps after a space;
// U+FFFD, which stands for bytes that are not UTF-8; a control character other than white space. 0 for no ids.
double unreadable_share(const Tokenizer& tokenizer, std::span<const int32_t> ids);

}  // namespace nwc
