// tokenize TOKENIZER.json: reads a JSON array of texts on standard input and prints, for each, the ids without and with
// special tokens and the texts that they decode to, with and without special tokens; or one error.
#include <cstdio>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "text/tokenizer.h"

namespace {

int fail(const std::string& message) {
  std::cout << nlohmann::json{{"error", message}}.dump() << "\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return fail("usage: tokenize TOKENIZER.json <TEXTS.json");
  const auto tokenizer = nwc::Tokenizer::open(argv[1]);
  if (!tokenizer) return fail(tokenizer.error().to_string());
  const std::string input{std::istreambuf_iterator<char>(std::cin), {}};
  const nlohmann::json texts = nlohmann::json::parse(input, nullptr, /*allow_exceptions=*/false);
  if (!texts.is_array()) return fail("standard input is no JSON array");
  nlohmann::json results = nlohmann::json::array();
  for (const auto& text : texts) {
    const auto ids = tokenizer->encode(text.get<std::string>(), false);
    const auto special = tokenizer->encode(text.get<std::string>(), true);
    if (!ids || !special) {
      results.push_back({{"error", ids ? special.error().to_string() : ids.error().to_string()}});
      continue;
    }
    results.push_back({{"ids", *ids},
                       {"special", *special},
                       {"decoded", tokenizer->decode(*special, false)},
                       {"skipped", tokenizer->decode(*special, true)}});
  }
  std::cout << nlohmann::json{{"warnings", tokenizer->warnings()}, {"results", results}}.dump() << "\n";
  return 0;
}
