// The merges of a BPE model: which two neighbouring tokens become which token, and in what order of preference.
//
// Thread safety: const members may be called from several threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nwc::text {

class MergeTable {
 public:
  struct Merge {
    int32_t rank;    // lower is done first
    int32_t merged;  // the token that replaces the pair
  };

  explicit MergeTable(size_t expected = 0);

  // A later merge of the same pair replaces the earlier one. Ids are not negative.
  void set(int32_t left, int32_t right, Merge merge);
  // nullptr if the pair has no merge.
  const Merge* find(int32_t left, int32_t right) const;

 private:
  // Open addressing with linear probing in a power of two of slots, at most half of them full: an encoder asks several
  // times per character, and a node-based map would take most of its time.
  struct Slot {
    uint64_t pair = kEmpty;
    Merge merge{};
  };
  static constexpr uint64_t kEmpty = ~uint64_t{0};
  static uint64_t key(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  size_t slot_of(uint64_t pair) const;
  void grow();

  std::vector<Slot> slots_;
  size_t used_ = 0;
};

}  // namespace nwc::text
