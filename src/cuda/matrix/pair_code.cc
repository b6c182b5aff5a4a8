#include "cuda/matrix/pair_code.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <queue>

namespace nwc::cuda {
namespace {

constexpr uint32_t kSide = kMostMagnitude + 1;
// A pair without a code costs a correction, 128 bits; one with a code as long as any costs the others 2^-10 of theirs.
constexpr double kLeastProbability = 0x1p-16;
constexpr size_t kMostCodes = 1000;

struct Symbol {
  double probability;
  uint32_t pair;
  unsigned length = 0;
};

// Huffman's lengths, of symbols in ascending order of probability.
void set_lengths(std::vector<Symbol>& symbols) {
  struct Node {
    double probability;
    size_t parent;
  };
  std::vector<Node> nodes;
  for (const Symbol& s : symbols) nodes.push_back({s.probability, 0});
  using Entry = std::pair<double, size_t>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  for (size_t i = 0; i < nodes.size(); ++i) queue.emplace(nodes[i].probability, i);
  while (queue.size() > 1) {
    const Entry a = queue.top();
    queue.pop();
    const Entry b = queue.top();
    queue.pop();
    nodes[a.second].parent = nodes[b.second].parent = nodes.size();
    queue.emplace(a.first + b.first, nodes.size());
    nodes.push_back({a.first + b.first, 0});
  }
  std::vector<unsigned> depth(nodes.size(), 0);
  for (size_t i = nodes.size() - 1; i-- > 0;) depth[i] = depth[nodes[i].parent] + 1;
  for (size_t i = 0; i < symbols.size(); ++i) symbols[i].length = depth[i];
}

// No code longer than an index: those that are become as long, and the rarest of the shorter ones longer, until all
// have room again; what is left over goes to the likeliest that fits.
void bound_lengths(std::vector<Symbol>& symbols) {
  uint64_t used = 0;
  for (Symbol& s : symbols) {
    s.length = std::min(s.length, kPairIndexBits);
    used += kPairTable >> s.length;
  }
  while (used > kPairTable) {
    // The longest that can still grow costs least for the room that it gives.
    Symbol* best = nullptr;
    double best_cost = 0;
    for (Symbol& s : symbols) {
      if (s.length == kPairIndexBits) continue;
      const double cost = s.probability / (kPairTable >> (s.length + 1));
      if (best == nullptr || cost < best_cost) best = &s, best_cost = cost;
    }
    used -= kPairTable >> ++best->length;
  }
  for (auto s = symbols.rbegin(); s != symbols.rend(); ++s) {
    while (s->length > 1 && used + (kPairTable >> s->length) <= kPairTable) used += kPairTable >> s->length--;
  }
}

}  // namespace

Magnitudes magnitudes_of(std::span<const FrequencyTable* const> tables, bool odd) {
  Magnitudes magnitudes{};
  for (const FrequencyTable* const table : tables) {
    const double weight =
        1.0 / (double{kFrequencyTotal} * static_cast<double>(tables.size()) * static_cast<double>(1u << table->shift));
    for (uint32_t s = 0; s < table->count(); ++s) {
      for (uint32_t raw = 0; raw < 1u << table->shift; ++raw) {
        const int64_t half = table->symbols().value_of(s, raw);
        const int64_t magnitude = half >= 0 ? half : odd ? -half - 1 : -half;
        if (magnitude <= kMostMagnitude) magnitudes[static_cast<size_t>(magnitude)] += weight * table->frequencies[s];
      }
    }
  }
  return magnitudes;
}

PairCode PairCode::of(const Magnitudes& first, const Magnitudes& second, bool first_odd, bool second_odd) {
  std::vector<Symbol> symbols;
  for (uint32_t pair = 0; pair < kPairTable; ++pair) {
    const uint32_t a = pair / kSide, b = pair % kSide;
    const double probability = first[a] * second[b];
    if ((a < 2 && b < 2) || probability >= kLeastProbability)
      symbols.push_back({std::max(probability, kLeastProbability / 16), pair});
  }
  const auto rarer = [](const Symbol& a, const Symbol& b) {
    return a.probability != b.probability ? a.probability < b.probability : a.pair < b.pair;
  };
  std::sort(symbols.begin(), symbols.end(), rarer);
  while (symbols.size() > kMostCodes) {
    const auto least = std::find_if(symbols.begin(), symbols.end(),
                                    [](const Symbol& s) { return s.pair / kSide >= 2 || s.pair % kSide >= 2; });
    symbols.erase(least);
  }
  set_lengths(symbols);
  bound_lengths(symbols);
  std::sort(symbols.begin(), symbols.end(), [](const Symbol& a, const Symbol& b) {
    return a.length != b.length ? a.length < b.length : a.pair < b.pair;
  });
  PairCode code{};
  uint32_t next = 0;
  unsigned length = 0;
  for (const Symbol& s : symbols) {
    next <<= s.length - length;
    length = s.length;
    uint32_t reversed = 0;
    for (unsigned b = 0; b < length; ++b) reversed |= (next >> b & 1) << (length - 1 - b);
    ++next;
    const uint32_t a = s.pair / kSide, b = s.pair % kSide;
    const bool signs[] = {a > 0 || first_odd, b > 0 || second_odd};
    const uint32_t taken = length + (signs[0] ? 1 : 0) + (signs[1] ? 1 : 0);
    code.encode[s.pair] = static_cast<uint16_t>(reversed | length << kPairIndexBits);
    for (uint32_t rest = 0; rest < kPairTable >> length; ++rest)
      code.decode[rest << length | reversed] =
          static_cast<uint16_t>((32 - taken) | a << 5 | b << 10 | (signs[0] && !signs[1] ? 1u << 15 : 0));
  }
  return code;
}

bool has_pair_paths(const Trellis& trellis) {
  if (trellis.states != 8) return false;
  for (unsigned state = 0; state < trellis.states; ++state) {
    for (unsigned branch = 0; branch < 2; ++branch) {
      if (trellis.next[state][branch] != (state >> 1 ^ 5 * Trellis::union_of(state) ^ 2 * branch)) return false;
    }
  }
  return true;
}

}  // namespace nwc::cuda
