#include "text/added_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>

#include "nwcodec/limits.h"

namespace nwc::text {

Result<AddedVocabulary> AddedVocabulary::make(const std::vector<AddedToken>& tokens, const Model& model,
                                              const Normalizer* normalizer) {
  AddedVocabulary added;
  auto next = static_cast<int32_t>(model.size());
  size_t empty = 0;
  size_t renumbered = 0;
  std::string first_renumbered;
  for (AddedToken token : tokens) {
    if (token.content.empty()) {
      empty += 1;
      continue;
    }
    const int32_t in_file = token.id;
    std::optional<int32_t> id = added.id_of(token.content);
    const bool is_new = !id;
    if (!id) id = model.vocabulary().id_of(token.content);
    if (!id) {
      id = next++;
      added.beside_model_ += 1;
    }
    token.id = *id;
    if (*id != in_file && is_new && renumbered++ == 0)
      first_renumbered = fmt::format("'{}' has id {} in the file, but {}", token.content.substr(0, 100), in_file, *id);
    added.by_content_[token.content] = *id;
    if (token.special) added.special_.insert(token.content);
    added.by_id_[*id] = std::move(token);
  }
  if (empty > 0) added.warnings_.push_back(fmt::format("added_tokens: {} without content left out", empty));
  if (renumbered > 0) {
    const std::string others = renumbered > 1 ? fmt::format("; {} more are numbered anew too", renumbered - 1) : "";
    added.warnings_.push_back(
        fmt::format("added_tokens: {} here as in the tokenizers library{}", first_renumbered, others));
  }
  NWC_RETURN_IF_ERROR(added.prepare(normalizer));
  return added;
}

Status AddedVocabulary::prepare(const Normalizer* normalizer) {
  for (const auto& [id, token] : by_id_) {
    if (!token.normalized) {
      in_text_.add(token.content, token);
      continue;
    }
    Piece content{token.content, true};
    Budget budget(token.content.size());
    if (normalizer != nullptr) NWC_RETURN_IF_ERROR(normalizer->apply(content, budget));
    if (content.text.size() > limits::kMaxAddedToken) {
      return Error(ErrorCode::kLimit, fmt::format("added token '{}' is longer than {} bytes when normalised",
                                                  token.content.substr(0, 100), limits::kMaxAddedToken));
    }
    if (content.text != token.content) normalized_.emplace(id, content.text);
    in_normalized_.add(std::move(content.text), token);
  }
  in_text_.prepare();
  in_normalized_.prepare();
  return {};
}

std::optional<int32_t> AddedVocabulary::id_of(const std::string& content) const {
  const auto known = by_content_.find(content);
  return known == by_content_.end() ? std::nullopt : std::optional(known->second);
}

const std::string* AddedVocabulary::token_of(int32_t id) const {
  const auto known = by_id_.find(id);
  return known == by_id_.end() ? nullptr : &known->second.content;
}

const std::string* AddedVocabulary::text_of(int32_t id) const {
  const auto known = normalized_.find(id);
  return known == normalized_.end() ? token_of(id) : &known->second;
}

}  // namespace nwc::text
