// Words that were encoded already, so that the common ones of a long text are encoded once. Belongs to one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace nwc::text {

class WordCache {
 public:
  // Appends the word's ids; false if it is not there.
  bool append(std::string_view word, std::vector<int32_t>& ids) const;
  // Keeps them, unless the word is long or the cache is full.
  void keep(std::string_view word, std::span<const int32_t> ids);

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct Entry {
    size_t begin;  // in ids_
    size_t count;
  };
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> words_;
  std::vector<int32_t> ids_;
};

}  // namespace nwc::text
