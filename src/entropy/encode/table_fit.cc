#include "entropy/encode/table_fit.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <queue>

#include "base/bytes.h"
#include "base/fixed_log2.h"

namespace nwc {
namespace {

unsigned varint_bytes(uint64_t value) {
  unsigned bytes = 1;
  for (; value >= 0x80; value >>= 7) ++bytes;
  return bytes;
}

// Frequencies >= 1 that sum to kFrequencyTotal and minimise sum(-count * log(frequency)): units go one by one to where
// they gain most, or are taken where they cost least. d log(f) is taken as 1 / (f + 1/2), which needs no logarithm.
std::vector<uint16_t> round_frequencies(const std::vector<uint64_t>& counts) {
  uint64_t total = 0;
  for (const uint64_t c : counts) total += c;
  std::vector<uint16_t> frequencies(counts.size());
  int64_t left = kFrequencyTotal;
  for (size_t i = 0; i < counts.size(); ++i) {
    const double share =
        total == 0 ? 0.0 : static_cast<double>(counts[i]) / static_cast<double>(total) * kFrequencyTotal;
    frequencies[i] =
        static_cast<uint16_t>(std::clamp(static_cast<int64_t>(share), int64_t{1}, int64_t{kFrequencyTotal} - 1));
    left -= frequencies[i];
  }
  struct Move {
    double gain;  // of the next unit; negative loss when units are taken
    size_t symbol;
    bool operator<(const Move& other) const { return gain != other.gain ? gain < other.gain : symbol > other.symbol; }
  };
  const bool give = left > 0;
  const auto gain_of = [&](size_t i) {
    const double f = frequencies[i];
    return give ? static_cast<double>(counts[i]) / (f + 0.5) : -static_cast<double>(counts[i]) / (f - 0.5);
  };
  std::priority_queue<Move> queue;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (give || frequencies[i] > 1) queue.push({gain_of(i), i});
  }
  for (; left != 0; left += give ? -1 : 1) {
    const size_t i = queue.top().symbol;
    queue.pop();
    frequencies[i] = static_cast<uint16_t>(frequencies[i] + (give ? 1 : -1));
    if (give ? frequencies[i] < kFrequencyTotal - 1 : frequencies[i] > 1) queue.push({gain_of(i), i});
  }
  return frequencies;
}

// The table whose ordinary symbols cover [first, last] with 2^shift integers each.
FrequencyTable table_over(const Histogram& histogram, int32_t first, int32_t last, uint32_t shift) {
  const size_t count = (static_cast<size_t>(int64_t{last} - first) >> shift) + 1;
  std::vector<uint64_t> counts(count + 1);
  for (const auto& [value, n] : histogram) {
    const bool inside = value >= first && value <= last;
    counts[inside ? static_cast<size_t>(int64_t{value} - first) >> shift : count] += n;
  }
  return {first, shift, round_frequencies(counts)};
}

}  // namespace

unsigned escape_bits(int32_t value) { return 8u * varint_bytes(zigzag(value)); }

uint64_t coding_cost(const Histogram& histogram, const FrequencyTable& table) {
  uint64_t cost = 0;
  for (const auto& [value, n] : histogram) {
    const uint32_t symbol = table.symbols().symbol_of(value);
    uint64_t each =
        (uint64_t{limits::kPrecisionBits + table.shift} << kCostBits) - fixed_log2(table.frequencies[symbol]);
    if (symbol == table.count()) each += uint64_t{escape_bits(value)} << kCostBits;
    cost += n * each;
  }
  return cost;
}

FrequencyTable fit_table(const Histogram& histogram, TableRange kind) {
  const bool even = kind == TableRange::kEven;
  const int32_t least = even ? 1 - kMaxTableValue : -kMaxTableValue;
  Histogram inside;
  uint64_t total = 0;
  for (const auto& entry : histogram) {
    total += entry.second;
    if (entry.first >= least && entry.first <= kMaxTableValue) inside.push_back(entry);
  }
  if (inside.empty()) return table_over({}, 0, even ? 1 : 0, 0);

  // Candidates leave out a tail share of 2^-8 to 2^-20 on each side, which becomes escapes.
  std::optional<FrequencyTable> best;
  uint64_t best_cost = std::numeric_limits<uint64_t>::max();
  std::pair<int32_t, int32_t> tried{1, 0};
  for (unsigned tail_bits = 8; tail_bits <= 20; ++tail_bits) {
    const uint64_t tail = total >> tail_bits;
    size_t low = 0, high = inside.size() - 1;
    for (uint64_t seen = inside[low].second; seen <= tail && low < high; seen += inside[low].second) ++low;
    for (uint64_t seen = inside[high].second; seen <= tail && high > low; seen += inside[high].second) --high;
    const std::pair<int32_t, int32_t> range{even ? inside[low].first & ~1 : inside[low].first, inside[high].first};
    if (range == tried) continue;
    tried = range;
    const uint64_t integers = static_cast<uint64_t>(int64_t{range.second} - range.first) + 1;
    const auto count_of = [&](uint32_t shift) {
      const uint64_t count = ((integers - 1) >> shift) + 1;
      return even ? count + count % 2 : count;
    };
    uint32_t shift = 0;
    while (count_of(shift) >= limits::kMaxSymbols) ++shift;
    for (const uint32_t last_shift = even ? shift : shift + 2; shift <= last_shift; ++shift) {
      const int64_t end = int64_t{range.first} + (static_cast<int64_t>(count_of(shift)) << shift) - 1;
      if (end > kMaxTableValue || (shift > 0 && ((integers - 1) >> shift) == 0)) break;
      FrequencyTable table = table_over(histogram, range.first, static_cast<int32_t>(end), shift);
      const uint64_t cost = coding_cost(histogram, table);
      if (cost < best_cost) {
        best_cost = cost;
        best = std::move(table);
      }
    }
  }
  if (best) return *std::move(best);
  // The integers fill the whole range of a table, so that no shift fits: the most frequent one, and escapes.
  const auto mode =
      std::max_element(inside.begin(), inside.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  const int32_t first = even ? mode->first & ~1 : mode->first;
  return table_over(histogram, first, even ? first + 1 : first, 0);
}

}  // namespace nwc
