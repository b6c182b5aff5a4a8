// UTF-8. Unless a function says otherwise its text must be valid UTF-8; to_valid_utf8() makes it so.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace nwc {

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

}  // namespace nwc
