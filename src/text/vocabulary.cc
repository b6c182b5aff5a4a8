#include "text/vocabulary.h"

#include <algorithm>
#include <utility>

namespace nwc::text {

Status Vocabulary::add(std::string token, int32_t id) {
  const auto [entry, is_new] = ids_.emplace(std::move(token), id);
  if (!is_new) return Error(ErrorCode::kCorrupt, "token '" + entry->first.substr(0, 100) + "' appears twice");
  const auto [named, id_is_new] = tokens_.emplace(id, &entry->first);
  if (!id_is_new) {
    return Error(ErrorCode::kCorrupt, "tokens '" + named->second->substr(0, 100) + "' and '" +
                                          entry->first.substr(0, 100) + "' have the same id " + std::to_string(id));
  }
  id_limit_ = std::max(id_limit_, id + 1);
  return {};
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
