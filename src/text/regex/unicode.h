// UTF-8 and the Unicode properties that tokenizers ask for. Unless a function says otherwise its text must be valid
// UTF-8; to_valid_utf8() makes it so. Properties and normal forms are those of the ICU library that is linked.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "nwcodec/result.h"

namespace nwc::text {

// The code point at text[pos] and the position behind it; pos < text.size().
char32_t next_code_point(std::string_view text, size_t& pos);
// The bytes of the character whose first byte is `lead`: 1 to 4.
size_t utf8_length(char lead);
void append_utf8(char32_t code_point, std::string& out);

// Any bytes.
bool is_valid_utf8(std::string_view bytes);
// Any bytes: every maximal part of an ill-formed sequence becomes one U+FFFD (as the Unicode standard recommends and
// Rust's lossy conversion does); valid text stays as it is.
std::string to_valid_utf8(std::string_view bytes);

bool is_white_space(char32_t c);  // White_Space
bool is_word(char32_t c);         // \w of UTS 18: Alphabetic, M, Nd, Pc, Join_Control
bool is_numeric(char32_t c);      // N
bool is_punctuation(char32_t c);  // P, and the ASCII symbols

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };
// kInternal if the library fails (for example on text over 2 GiB).
Result<std::string> normalize(std::string_view text, NormalForm form);

// Every character by itself, without regard to its neighbours or a language.
std::string lower_case(std::string_view text);

}  // namespace nwc::text
