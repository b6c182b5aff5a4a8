#include "cli/language.h"

#include "base/file.h"

namespace nwc::cli {
namespace {

constexpr uint64_t kMaxText = uint64_t{1} << 30;

}  // namespace

Result<Tokenizer> open_tokenizer(const std::filesystem::path& checkpoint) {
  Result<Tokenizer> tokenizer = Tokenizer::open(checkpoint / "tokenizer.json");
  if (!tokenizer && tokenizer.error().code() == ErrorCode::kNotFound)
    return std::move(tokenizer).error().remedy("copy the model's tokenizer.json there");
  return tokenizer;
}

Result<std::vector<int32_t>> tokenize_file(const Tokenizer& tokenizer, const std::filesystem::path& path) {
  NWC_ASSIGN_OR_RETURN(const std::string text, read_text_file(path, kMaxText));
  Result<std::vector<int32_t>> ids = tokenizer.encode(text, /*add_special_tokens=*/true);
  if (!ids) return std::move(ids).error().in_file(path.string());
  return ids;
}

}  // namespace nwc::cli
