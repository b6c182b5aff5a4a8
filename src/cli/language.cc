#include "cli/language.h"

namespace nwc::cli {
Result<Tokenizer> open_tokenizer(const std::filesystem::path& checkpoint) {
  Result<Tokenizer> tokenizer = Tokenizer::open(checkpoint / "tokenizer.json");
  if (!tokenizer && tokenizer.error().code() == ErrorCode::kNotFound)
    return std::move(tokenizer).error().remedy("copy the model's tokenizer.json there");
  return tokenizer;
}

Result<std::vector<int32_t>> tokenize_file(const Tokenizer& tokenizer, const std::filesystem::path& path) {
  return tokenizer.encode_file(path, /*add_special_tokens=*/true);
}

}  // namespace nwc::cli
