#include "text/models/word_cache.h"

namespace nwc::text {
namespace {

constexpr size_t kMaxCachedWord = 256;  // bytes
constexpr size_t kMaxCachedWords = 1 << 17;

}  // namespace

bool WordCache::append(std::string_view word, std::vector<int32_t>& ids) const {
  const auto known = words_.find(word);
  if (known == words_.end()) return false;
  const auto begin = ids_.begin() + static_cast<ptrdiff_t>(known->second.begin);
  ids.insert(ids.end(), begin, begin + static_cast<ptrdiff_t>(known->second.count));
  return true;
}

void WordCache::keep(std::string_view word, std::span<const int32_t> ids) {
  if (word.size() > kMaxCachedWord || words_.size() >= kMaxCachedWords) return;
  words_.emplace(word, Entry{ids_.size(), ids.size()});
  ids_.insert(ids_.end(), ids.begin(), ids.end());
}

}  // namespace nwc::text
