// The byte-level alphabet of GPT-2: each byte is written as one printable character (a space as U+0120), so that a
// vocabulary of strings can hold any bytes.
#pragma once

#include <string>
#include <string_view>

namespace nwc::text {

// How GPT-2 splits text.
inline constexpr std::string_view kByteLevelPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// Every byte as its character.
std::string to_byte_level(std::string_view bytes);

// Appends the bytes that `token` (valid UTF-8) stands for. A token with a character outside of the alphabet, such as an
// added token, stands for itself.
void append_from_byte_level(std::string_view token, std::string& bytes);

}  // namespace nwc::text
