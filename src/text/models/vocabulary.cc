#include "text/models/vocabulary.h"

#include <algorithm>
#include <utility>

#include "text/component.h"

namespace nwc::text {

Result<Vocabulary> Vocabulary::from_json(const Json& json) {
  if (!json.is_object()) return Error(ErrorCode::kCorrupt, "model.vocab is not a JSON object");
  Vocabulary vocabulary;
  for (const auto& entry : json.items()) {
    NWC_ASSIGN_OR_RETURN(const int32_t id,
                         token_id_from(entry.value(), "model.vocab['" + entry.key().substr(0, 100) + "']"));
    vocabulary.add(entry.key(), id);
  }
  return vocabulary;
}

void Vocabulary::add(std::string token, int32_t id) {
  const auto [entry, is_new] = ids_.emplace(std::move(token), id);
  if (!is_new) {
    if (repeated_.empty()) repeated_ = "token '" + entry->first.substr(0, 100) + "' appears twice; the last one counts";
    const auto old = tokens_.find(entry->second);
    if (old != tokens_.end() && old->second == &entry->first) tokens_.erase(old);
    entry->second = id;
  }
  const auto [named, id_is_new] = tokens_.emplace(id, &entry->first);
  if (!id_is_new && repeated_.empty()) {
    repeated_ = "tokens '" + named->second->substr(0, 100) + "' and '" + entry->first.substr(0, 100) +
                "' have the same id " + std::to_string(id);
  }
  named->second = &entry->first;
  id_limit_ = std::max(id_limit_, id + 1);
}

std::optional<int32_t> Vocabulary::id_of(std::string_view token) const {
  const auto entry = ids_.find(token);
  if (entry == ids_.end()) return std::nullopt;
  return entry->second;
}

const std::string* Vocabulary::token_of(int32_t id) const {
  const auto entry = tokens_.find(id);
  return entry == tokens_.end() ? nullptr : entry->second;
}

}  // namespace nwc::text
