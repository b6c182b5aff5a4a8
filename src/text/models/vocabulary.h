// The tokens of a model and their ids.
//
// Thread safety: const members may be called from several threads at once.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/json.h"
#include "nwcodec/result.h"

namespace nwc::text {

class Vocabulary {
 public:
  // From "model.vocab", an object of ids by token. Errors: kCorrupt, kLimit.
  static Result<Vocabulary> from_json(const Json& json);

  // As the reference does, a token that is there already gets the new id, and an id that is there already stands for
  // the new token when it is decoded. The old token keeps the id too.
  void add(std::string token, int32_t id);

  // The first token or id that was there already, as a sentence; empty if there was none.
  const std::string& repeated() const { return repeated_; }

  size_t size() const { return ids_.size(); }
  std::optional<int32_t> id_of(std::string_view token) const;
  // nullptr if no token has the id. Lives as long as the vocabulary.
  const std::string* token_of(int32_t id) const;
  // One above the highest id; 0 for an empty vocabulary.
  int32_t id_limit() const { return id_limit_; }

  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const auto& [token, id] : ids_) visit(token, id);
  }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_map<std::string, int32_t, Hash, std::equal_to<>> ids_;
  std::unordered_map<int32_t, const std::string*> tokens_;  // keys of ids_, which never move
  int32_t id_limit_ = 0;
  std::string repeated_;
};

}  // namespace nwc::text
