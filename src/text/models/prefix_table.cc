#include "text/models/prefix_table.h"

namespace nwc::text {

void PrefixTable::prepare() {
  std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.token < b.token; });
  size_t kept = 0;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (i + 1 < entries_.size() && entries_[i].token == entries_[i + 1].token) continue;
    if (kept != i) entries_[kept] = std::move(entries_[i]);
    ++kept;
  }
  entries_.resize(kept);
  first_byte_.assign(257, entries_.size());
  for (size_t i = entries_.size(); i-- > 0;) first_byte_[byte_at(entries_[i].token, 0)] = i;
  for (size_t byte = 256; byte-- > 0;) first_byte_[byte] = std::min(first_byte_[byte], first_byte_[byte + 1]);
}

}  // namespace nwc::text
