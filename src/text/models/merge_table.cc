#include "text/models/merge_table.h"

#include <bit>

namespace nwc::text {

MergeTable::MergeTable(size_t expected) : slots_(std::bit_ceil(2 * expected + 2)) {}

// Where the pair is, or the empty slot where it would go.
size_t MergeTable::slot_of(uint64_t pair) const {
  const size_t mask = slots_.size() - 1;
  uint64_t hash = pair * 0x9E3779B97F4A7C15;  // 2^64 / golden ratio
  hash ^= hash >> 32;
  size_t slot = hash & mask;
  while (slots_[slot].pair != kEmpty && slots_[slot].pair != pair) slot = (slot + 1) & mask;
  return slot;
}

void MergeTable::set(int32_t left, int32_t right, Merge merge) {
  if (2 * (used_ + 1) > slots_.size()) grow();
  Slot& slot = slots_[slot_of(key(left, right))];
  if (slot.pair == kEmpty) used_ += 1;
  slot = {key(left, right), merge};
}

const MergeTable::Merge* MergeTable::find(int32_t left, int32_t right) const {
  const Slot& slot = slots_[slot_of(key(left, right))];
  return slot.pair == kEmpty ? nullptr : &slot.merge;
}

void MergeTable::grow() {
  std::vector<Slot> old(2 * slots_.size());
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.pair != kEmpty) slots_[slot_of(slot.pair)] = slot;
  }
}

}  // namespace nwc::text
