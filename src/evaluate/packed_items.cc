#include "evaluate/packed_items.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace nwc {
namespace {

// What the model reads of a sequence: all but its last token.
std::span<const int32_t> read_of(const ScoredTokens& scored) {
  return std::span(scored.tokens).first(scored.tokens.size() - 1);
}

struct ItemSize {
  int64_t shared = 0;     // tokens that all choices begin with
  int64_t rows = 0;       // those, and what is left of each choice
  int64_t sequences = 0;  // choices with something left; 1 if there are none
  int64_t longest = 0;
};

ItemSize size_of(const ScoredChoices& item) {
  std::span<const int32_t> shared = read_of(item[0]);
  for (const ScoredTokens& choice : item) {
    const std::span<const int32_t> read = read_of(choice);
    const auto differ = std::mismatch(shared.begin(), shared.end(), read.begin(), read.end());
    shared = shared.first(static_cast<size_t>(differ.first - shared.begin()));
  }
  ItemSize size{.shared = std::ssize(shared), .rows = std::ssize(shared)};
  for (const ScoredTokens& choice : item) {
    const int64_t length = std::ssize(read_of(choice));
    size.rows += length - size.shared;
    size.sequences += length > size.shared;
    size.longest = std::max(size.longest, length);
  }
  size.sequences = std::max<int64_t>(1, size.sequences);
  return size;
}

void append_item(const ScoredChoices& item, size_t index, const ItemSize& size, PackedBatch& packed) {
  std::vector<int32_t>& ids = packed.batch.ids;
  const int64_t first = std::ssize(ids);
  const std::span<const int32_t> shared = read_of(item[0]).first(static_cast<size_t>(size.shared));
  ids.insert(ids.end(), shared.begin(), shared.end());
  std::vector<int64_t> shared_rows(shared.size());
  std::iota(shared_rows.begin(), shared_rows.end(), first);
  bool branches = false;
  for (size_t c = 0; c < item.size(); ++c) {
    const std::span<const int32_t> read = read_of(item[c]);
    std::vector<int64_t> sequence = shared_rows;
    for (const int32_t token : read.subspan(shared.size())) {
      sequence.push_back(std::ssize(ids));
      ids.push_back(token);
    }
    for (size_t t = item[c].scored_from; t < item[c].tokens.size(); ++t)
      packed.predictions.push_back({sequence[t - 1], item[c].tokens[t], index, c});
    if (sequence.size() == shared.size()) continue;
    packed.batch.sequences.push_back(std::move(sequence));
    branches = true;
  }
  if (!branches) packed.batch.sequences.push_back(std::move(shared_rows));
}

}  // namespace

std::vector<PackedBatch> pack_items(std::span<const ScoredChoices> items, const PackingLimits& limits) {
  std::vector<ItemSize> sizes;
  for (const ScoredChoices& item : items) sizes.push_back(size_of(item));
  std::vector<size_t> order(items.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return sizes[a].longest > sizes[b].longest; });

  std::vector<PackedBatch> batches;
  int64_t longest = 0, rows = 0, sequences = 0;  // of the last batch
  for (const size_t i : order) {
    const ItemSize& size = sizes[i];
    const bool other_angles = (longest >= limits.long_from) != (size.longest >= limits.long_from);
    if (batches.empty() || rows + size.rows > limits.rows || (sequences + size.sequences) * longest > limits.places ||
        other_angles) {
      batches.emplace_back();
      longest = size.longest, rows = 0, sequences = 0;
    }
    rows += size.rows, sequences += size.sequences;
    append_item(items[i], i, size, batches.back());
  }
  for (PackedBatch& packed : batches) {
    std::stable_sort(packed.predictions.begin(), packed.predictions.end(),
                     [](const Prediction& a, const Prediction& b) { return a.row < b.row; });
  }
  return batches;
}

}  // namespace nwc
