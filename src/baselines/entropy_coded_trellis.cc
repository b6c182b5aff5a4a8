#include "baselines/entropy_coded_trellis.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <numbers>
#include <vector>

namespace nwc {
namespace {

constexpr int kRounds = 6;  // of tables and paths that follow from each other
constexpr int kBisections = 24;
constexpr double kTolerance = 0.002;  // of bits
constexpr size_t kMostStates = 8;
constexpr int kUnions = 2;

struct Machine {
  size_t states;
  std::array<std::array<uint8_t, 2>, kMostStates> next;  // by parity
  std::array<uint8_t, kMostStates> union_of;
};
constexpr Machine kFourStates{4, {{{0, 2}, {2, 0}, {1, 3}, {3, 1}}}, {0, 0, 1, 1}};
constexpr Machine kEightStates{
    8, {{{0, 2}, {5, 7}, {1, 3}, {6, 4}, {2, 0}, {4, 6}, {3, 1}, {7, 5}}}, {0, 1, 0, 1, 0, 1, 0, 1}};

int value_of(int u, int k) { return u == 0 ? 2 * k : 2 * k - (k > 0) + (k < 0); }

// What integers cost in one union.
class Costs {
 public:
  // Of a Laplace distribution, to begin with.
  explicit Costs(double mean_magnitude) : slope_(std::log2(1 + 1 / std::max(mean_magnitude, 1e-3))) {}
  // Of what was counted.
  explicit Costs(const std::map<int, uint64_t>& counts) {
    uint64_t all = 0;
    for (const auto& [k, count] : counts) all += count;
    if (counts.empty()) return;
    first_ = counts.begin()->first;
    bits_.assign(static_cast<size_t>(counts.rbegin()->first - first_) + 1, std::log2(static_cast<double>(all)) + 1);
    for (const auto& [k, count] : counts)
      bits_[static_cast<size_t>(k - first_)] = std::log2(static_cast<double>(all) / static_cast<double>(count));
  }
  double of(int k) const {
    if (bits_.empty()) return 1 + slope_ * std::abs(k);
    const int64_t i = int64_t{k} - first_;
    return i >= 0 && i < static_cast<int64_t>(bits_.size()) ? bits_[static_cast<size_t>(i)] : kUnseen;
  }

 private:
  static constexpr double kUnseen = 30;
  double slope_ = 1;
  int first_ = 0;
  std::vector<double> bits_;
};

// One way to leave a state.
struct Branch {
  int k = 0;
  double error = 0, cost = 0;
};

// The cheapest integer of this parity in union `u` for a weight of x grid steps.
Branch cheapest(double x, int u, int parity, double lambda, const Costs& costs) {
  // Its neighbours on both sides, and one nearer to zero; even integers also have zero itself.
  const int base = static_cast<int>(std::floor(x / 4)) * 2;
  Branch best;
  best.cost = INFINITY;
  const auto consider = [&](int k) {
    const double d = x - value_of(u, k), cost = d * d + lambda * costs.of(k);
    if (cost < best.cost) best = {k, d * d, cost};
  };
  for (int k = base - 4 + parity; k <= base + 4 + parity; k += 2) consider(k);
  if (parity == 0) consider(0);
  return best;
}

class Search {
 public:
  Search(std::span<const float> values, const EntropyCodedTrellisOptions& options)
      : machine_(options.states == TrellisStates::kFour ? kFourStates : kEightStates) {
    const uint64_t length = std::max<uint64_t>(1, std::min<uint64_t>(options.sequence, values.size()));
    const uint64_t all = values.size() / length, taken = std::clamp<uint64_t>(options.samples / length, 1, all);
    for (uint64_t i = 0; i < taken; ++i) {
      sequences_.push_back(values.subspan(i * all / taken * length, length));
      for (const float v : sequences_.back()) power_ += static_cast<double>(v) * v;
      weights_ += length;
    }
  }

  double spread() const { return std::sqrt(power_ / static_cast<double>(weights_)); }
  // With this grid, tables and paths in turns.
  RatePoint at(double grid) const {
    std::array<Costs, kUnions> costs{Costs(spread() / grid / 2), Costs(spread() / grid / 2)};
    double lambda = 2 * std::numbers::ln2 / 4;  // of the squared grid: a scalar quantiser of twice the grid, less 1 dB
    RatePoint point;
    for (int round = 0; round < kRounds; ++round) {
      std::array<std::map<int, uint64_t>, kUnions> counts;
      double error = 0;
      for (const std::span<const float> sequence : sequences_) error += quantise(sequence, grid, lambda, costs, counts);
      double bits = 0;
      for (int u = 0; u < kUnions; ++u) {
        costs[u] = Costs(counts[u]);
        for (const auto& [k, count] : counts[u]) bits += costs[u].of(k) * static_cast<double>(count);
      }
      lambda = 2 * std::numbers::ln2 * error / static_cast<double>(weights_);
      point = {bits / static_cast<double>(weights_), error * grid * grid / power_};
    }
    return point;
  }

 private:
  // Returns the squared error in squared grid steps, and counts the integers of the best path.
  double quantise(std::span<const float> sequence, double grid, double lambda, const std::array<Costs, kUnions>& costs,
                  std::array<std::map<int, uint64_t>, kUnions>& counts) const {
    struct Step {
      std::array<Branch, kMostStates> branch;  // into each state
      std::array<uint8_t, kMostStates> from;
    };
    std::vector<Step> steps(sequence.size());
    std::array<double, kMostStates> cost;
    cost.fill(INFINITY);
    cost[0] = 0;
    for (size_t i = 0; i < sequence.size(); ++i) {
      const double x = sequence[i] / grid;
      std::array<std::array<Branch, 2>, kUnions> branches;
      for (int u = 0; u < kUnions; ++u) {
        for (int parity = 0; parity < 2; ++parity) branches[u][parity] = cheapest(x, u, parity, lambda, costs[u]);
      }
      std::array<double, kMostStates> next;
      next.fill(INFINITY);
      for (size_t s = 0; s < machine_.states; ++s) {
        if (cost[s] == INFINITY) continue;
        for (int parity = 0; parity < 2; ++parity) {
          const Branch& branch = branches[machine_.union_of[s]][parity];
          const uint8_t to = machine_.next[s][parity];
          if (!(cost[s] + branch.cost < next[to])) continue;
          next[to] = cost[s] + branch.cost;
          steps[i].branch[to] = branch;
          steps[i].from[to] = static_cast<uint8_t>(s);
        }
      }
      cost = next;
    }
    size_t state = static_cast<size_t>(std::min_element(cost.begin(), cost.end()) - cost.begin());
    double error = 0;
    for (size_t i = sequence.size(); i-- > 0;) {
      const Branch& branch = steps[i].branch[state];
      error += branch.error;
      state = steps[i].from[state];
      ++counts[machine_.union_of[state]][branch.k];
    }
    return error;
  }

  const Machine& machine_;
  std::vector<std::span<const float>> sequences_;
  uint64_t weights_ = 0;
  double power_ = 0;
};

}  // namespace

RatePoint entropy_coded_trellis(std::span<const float> values, double bits, const EntropyCodedTrellisOptions& options) {
  if (values.empty()) return {};
  const Search search(values, options);
  if (!(search.spread() > 0)) return {0, 0};
  double fine = search.spread() * std::exp2(-bits - 1), coarse = search.spread() * std::exp2(2 - bits);
  RatePoint point;
  for (int i = 0; i < kBisections; ++i) {
    const double grid = std::sqrt(fine * coarse);
    point = search.at(grid);
    if (std::abs(point.bits - bits) <= kTolerance) break;
    (point.bits > bits ? fine : coarse) = grid;
  }
  return point;
}

}  // namespace nwc
