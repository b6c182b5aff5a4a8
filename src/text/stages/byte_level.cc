#include "text/stages/byte_level.h"

#include <array>
#include <cstdint>

#include "regex/utf8.h"

namespace nwc::text {
namespace {

constexpr uint32_t kFirstSubstitute = 0x100;  // bytes that are not printable take U+0100 and following, in order
constexpr uint32_t kAlphabetEnd = kFirstSubstitute + 68;

constexpr bool is_printable(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

struct Alphabet {
  std::array<uint16_t, 256> character{};     // of a byte
  std::array<int16_t, kAlphabetEnd> byte{};  // of a character; -1 for none
};

constexpr Alphabet make_alphabet() {
  Alphabet alphabet;
  for (int16_t& byte : alphabet.byte) byte = -1;
  uint16_t substitute = kFirstSubstitute;
  for (unsigned byte = 0; byte < 256; ++byte) {
    alphabet.character[byte] = is_printable(byte) ? static_cast<uint16_t>(byte) : substitute++;
    alphabet.byte[alphabet.character[byte]] = static_cast<int16_t>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();

}  // namespace

std::string to_byte_level(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() + bytes.size() / 4);
  for (const char byte : bytes) append_utf8(kAlphabet.character[static_cast<unsigned char>(byte)], text);
  return text;
}

void append_from_byte_level(std::string_view token, std::string& bytes) {
  const size_t before = bytes.size();
  for (size_t pos = 0; pos < token.size();) {
    const char32_t c = next_code_point(token, pos);
    if (c >= kAlphabetEnd || kAlphabet.byte[c] < 0) {
      bytes.resize(before);
      bytes += token;
      return;
    }
    bytes.push_back(static_cast<char>(kAlphabet.byte[c]));
  }
}

}  // namespace nwc::text
