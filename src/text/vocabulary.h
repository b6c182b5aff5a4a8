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

#include "nwcodec/result.h"

namespace nwc::text {

class Vocabulary {
 public:
  // kCorrupt if the token or the id is there already.
  Status add(std::string token, int32_t id);

  size_t size() const { return ids_.size(); }
  std::optional<int32_t> id_of(std::string_view token) const;
  // nullptr if no token has the id. Lives as long as the vocabulary.
  const std::string* token_of(int32_t id) const;
  // One above the highest id; 0 for an empty vocabulary.
  int32_t id_limit() const { return id_limit_; }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_map<std::string, int32_t, Hash, std::equal_to<>> ids_;
  std::unordered_map<int32_t, const std::string*> tokens_;  // keys of ids_, which never move
  int32_t id_limit_ = 0;
};

}  // namespace nwc::text
