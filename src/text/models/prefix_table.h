// Tokens by their beginnings: which of them a text begins with.
//
// Thread safety: const members may be called from several threads at once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nwc::text {

class PrefixTable {
 public:
  // An empty token is never found.
  void add(std::string token, int32_t id) {
    if (!token.empty()) entries_.push_back({std::move(token), id});
  }
  // To be called once, after the last add(). Of equal tokens the last added stays.
  void prepare();

  // Calls `visit(length, id)` for every token that `text` begins with, the shortest first. Narrows the sorted tokens
  // down byte by byte. Returns the number of bytes looked at.
  template <class Visit>
  size_t for_each_at(std::string_view text, const Visit& visit) const {
    if (text.empty() || entries_.empty()) return 0;
    auto first = entries_.begin() + static_cast<ptrdiff_t>(first_byte_[byte_at(text, 0)]);
    auto last = entries_.begin() + static_cast<ptrdiff_t>(first_byte_[byte_at(text, 0) + size_t{1}]);
    size_t length = 1;
    for (; first != last; ++length) {
      if (first->token.size() == length) {
        visit(length, first->id);
        ++first;
      }
      if (length == text.size()) break;
      const unsigned char next = byte_at(text, length);
      first = std::partition_point(first, last, [&](const Entry& e) { return byte_at(e.token, length) < next; });
      last = std::partition_point(first, last, [&](const Entry& e) { return byte_at(e.token, length) == next; });
    }
    return length;
  }

 private:
  struct Entry {
    std::string token;
    int32_t id;
  };
  static unsigned char byte_at(std::string_view text, size_t i) { return static_cast<unsigned char>(text[i]); }

  std::vector<Entry> entries_;      // after prepare(): by token, no two equal
  std::vector<size_t> first_byte_;  // 257 positions in entries_: where tokens with each first byte begin
};

}  // namespace nwc::text
