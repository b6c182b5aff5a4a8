// Reads bytes as a tokenizer.json, and uses the tokenizer if they are one: on fixed texts and on the file's own tokens.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "regex/utf8.h"
#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto tokenizer = nwc::Tokenizer::parse({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!tokenizer) {
    if (tokenizer.error().file() != "fuzz") std::abort();
    return 0;
  }
  constexpr std::string_view kTexts[] = {"", "Hello  world's 12\n\n", " <s>ab\xC3\xA9 \xE2\x96\x81x\xFF\xE4\xB8\xAD",
                                         "aaaaaaaaaaaaaaaaaaaaaaaa", "   \t\r\n  b </s>"};
  for (const std::string_view text : kTexts) {
    const auto ids = tokenizer->encode(text, true);
    if (!ids) continue;
    for (const int32_t id : *ids) {
      if (id < 0) std::abort();
    }
    if (!nwc::is_valid_utf8(tokenizer->decode(*ids, false))) std::abort();
    if (tokenizer->decode(*ids, true).size() > 1 << 20) std::abort();
  }
  for (int32_t id = 0; id < 32; ++id) {
    const auto token = tokenizer->id_to_token(id);
    // Equal tokens of a Unigram model share the last one's id.
    if (token && tokenizer->id_to_token(tokenizer->token_to_id(*token).value_or(-1)) != token) std::abort();
    if (token) (void)tokenizer->encode(*token, false).ok();
  }
  return 0;
}
