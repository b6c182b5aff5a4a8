#include "cli/language.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/file.h"
#include "checkpoint/checkpoint_path.h"
#include "text/unreadable.h"

namespace nwc::cli {
namespace {

// Which other file of a tokenizer the directory has.
std::optional<std::string> other_tokenizer(const std::filesystem::path& checkpoint) {
  const Result<std::vector<std::string>> names = list_directory(checkpoint);
  if (!names) return std::nullopt;
  const auto has = [&](std::string_view name) { return std::find(names->begin(), names->end(), name) != names->end(); };
  for (const char* name : {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "spm.model", "vocab.txt"}) {
    if (has(name)) return name;
  }
  if (has("vocab.json") && has("merges.txt")) return "vocab.json and merges.txt";
  for (const std::string& name : *names) {
    if (name.ends_with(".tiktoken") || name == "tiktoken.model") return name;
  }
  return std::nullopt;
}

}  // namespace

Result<Tokenizer> open_tokenizer(const std::filesystem::path& checkpoint) {
  NWC_RETURN_IF_ERROR(check_is_directory(checkpoint));
  Result<Tokenizer> tokenizer = Tokenizer::open(checkpoint / "tokenizer.json");
  if (tokenizer || tokenizer.error().code() != ErrorCode::kNotFound) return tokenizer;
  const std::optional<std::string> other = other_tokenizer(checkpoint);
  if (!other) return std::move(tokenizer).error().remedy("copy the model's tokenizer.json there");
  return std::move(tokenizer).error().remedy(
      fmt::format("there is {}, from which transformers writes it: python -c \"from transformers import AutoTokenizer; "
                  "AutoTokenizer.from_pretrained('{}').save_pretrained('{}')\"",
                  *other, checkpoint.string(), checkpoint.string()));
}

Result<std::vector<int32_t>> tokenize_file(const Tokenizer& tokenizer, const std::filesystem::path& path,
                                           const Progress& progress) {
  return tokenizer.encode_file(path, /*add_special_tokens=*/true, progress);
}

Result<std::vector<int32_t>> tokens_before_texts(const Tokenizer& tokenizer) {
  NWC_ASSIGN_OR_RETURN(const std::vector<int32_t> bare, tokenizer.encode("a", /*add_special_tokens=*/false));
  NWC_ASSIGN_OR_RETURN(std::vector<int32_t> whole, tokenizer.encode("a", /*add_special_tokens=*/true));
  whole.erase(std::search(whole.begin(), whole.end(), bare.begin(), bare.end()), whole.end());
  return whole;
}

std::optional<std::string> unreadable_warning(const Tokenizer& tokenizer, std::span<const int32_t> ids,
                                              const std::filesystem::path& text) {
  const double share = unreadable_share(tokenizer, ids);
  if (share < kMostlyUnreadable) return std::nullopt;
  return fmt::format(
      "{}: {:.0f} % of its tokens are unknown or pieces of characters; the tokenizer hardly knows this language, or "
      "the "
      "file is not UTF-8",
      text.string(), 100 * share);
}

}  // namespace nwc::cli
