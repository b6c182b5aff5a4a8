// A language model with its tokenizer, as the commands open it: from a plain or a compressed checkpoint.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/causal_lm.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "text/tokenizer.h"

namespace nwc::cli {

// tokenizer.json of a checkpoint directory. Errors: as Tokenizer::open(), and those of a path that is no directory; a
// missing file says where it comes from.
Result<Tokenizer> open_tokenizer(const std::filesystem::path& checkpoint);

// The whole file as token ids, in one tokenizer call, without special tokens beyond those that the tokenizer adds.
// kInterrupted when `progress` asks to stop.
Result<std::vector<int32_t>> tokenize_file(const Tokenizer& tokenizer, const std::filesystem::path& text,
                                           const Progress& progress);

// What the tokenizer puts before each text; mostly nothing. Errors: of encoding.
Result<std::vector<int32_t>> tokens_before_texts(const Tokenizer& tokenizer);

// What to tell the user about a text whose tokens are mostly unreadable (text/unreadable.h); nothing about others.
std::optional<std::string> unreadable_warning(const Tokenizer& tokenizer, std::span<const int32_t> ids,
                                              const std::filesystem::path& text);

}  // namespace nwc::cli
