#include "baselines/lloyd_max.h"

#include <algorithm>
#include <cmath>

namespace nwc {
namespace {

// The iteration converges slowly with many levels; an iteration costs microseconds.
constexpr int kIterations = 20000;
constexpr double kTolerance = 1e-9;  // relative gain of an iteration at which it ends

// Bins that the first levels' cells consist of.
constexpr size_t kBins = 4096;

// Where bins begin and end in the sorted source: [0, ..., count], ascending. The best levels' density is the cube root
// of the source's (Panter and Dite 1951), so bins have equal shares of that. A number stands for as much of it as the
// -2/3rd power of the density there, which the distance between its neighbours tells.
std::vector<uint64_t> bin_ends(const SortedSource& source) {
  const uint64_t n = source.count(), neighbours = std::clamp<uint64_t>(n / (8 * kBins), 1, 64);
  std::vector<double> shares(n + 1, 0.0);
  for (uint64_t i = 0; i < n; ++i) {
    const uint64_t first = i < neighbours ? 0 : i - neighbours, last = std::min(n - 1, i + neighbours);
    const double spacing =
        (source.at(last) - source.at(first)) / static_cast<double>(std::max<uint64_t>(1, last - first));
    shares[i + 1] = shares[i] + std::cbrt(spacing * spacing);
  }
  std::vector<uint64_t> ends{0};
  for (size_t b = 1; b < kBins; ++b) {
    const double share = static_cast<double>(b) / kBins * shares.back();
    const auto end = static_cast<uint64_t>(std::lower_bound(shares.begin(), shares.end(), share) - shares.begin());
    if (end > ends.back() && end < n) ends.push_back(end);
  }
  ends.push_back(n);
  return ends;
}

// Cells of whole bins with the least error, by dynamic programming. Lloyd's iteration alone gets stuck where tails are
// heavy: levels in the bulk never reach them.
class BestCells {
 public:
  BestCells(const SortedSource& source, size_t cells)
      : source_(source), ends_(bin_ends(source)), bins_(ends_.size() - 1) {
    best_.resize(bins_ + 1);
    for (size_t j = 0; j <= bins_; ++j) best_[j] = error(0, j);
    while (splits_.size() + 1 < std::min(cells, bins_)) {
      splits_.emplace_back(bins_ + 1, 0u);
      std::vector<double> next(bins_ + 1, 0.0);
      add_cell(next, 0, bins_, 0, bins_);
      best_ = std::move(next);
    }
  }

  // Means of the cells, ascending.
  std::vector<double> levels() const {
    std::vector<double> means;
    size_t end = bins_;
    for (size_t cell = splits_.size() + 1; cell-- > 0;) {
      const size_t begin = cell == 0 ? 0 : splits_[cell - 1][end];
      if (end > begin)
        means.push_back(source_.sum(ends_[begin], ends_[end]) / static_cast<double>(ends_[end] - ends_[begin]));
      end = begin;
    }
    std::reverse(means.begin(), means.end());
    return means;
  }

 private:
  double error(size_t begin, size_t end) const {
    if (end <= begin) return 0;
    const double sum = source_.sum(ends_[begin], ends_[end]);
    return source_.squares(ends_[begin], ends_[end]) - sum * sum / static_cast<double>(ends_[end] - ends_[begin]);
  }

  // next[j] = least error of bins [0, j) with one more cell, for j in [low, high], whose last cell begins in [from,
  // to]: it begins no earlier for larger j, so halving the range of j halves that of beginnings too.
  void add_cell(std::vector<double>& next, size_t low, size_t high, size_t from, size_t to) {
    const size_t middle = (low + high) / 2;
    size_t begin = from;
    double least = INFINITY;
    for (size_t b = from; b <= std::min(middle, to); ++b) {
      const double total = best_[b] + error(b, middle);
      if (total < least) {
        least = total;
        begin = b;
      }
    }
    next[middle] = least;
    splits_.back()[middle] = static_cast<uint32_t>(begin);
    if (middle > low) add_cell(next, low, middle - 1, from, begin);
    if (middle < high) add_cell(next, middle + 1, high, begin, to);
  }

  const SortedSource& source_;
  std::vector<uint64_t> ends_;
  size_t bins_;
  std::vector<double> best_;
  std::vector<std::vector<uint32_t>> splits_;  // [cells - 1][bins + 1]: where the last of cells 2, 3, ... begins
};

}  // namespace

ScalarCodebook lloyd_max(const SortedSource& source, unsigned bits) {
  ScalarCodebook book;
  book.levels = BestCells(source, size_t{1} << bits).levels();
  double previous = INFINITY;
  for (int iteration = 0; iteration < kIterations; ++iteration) {
    double error = 0;
    uint64_t begin = 0;
    for (size_t i = 0; i < book.levels.size(); ++i) {
      const bool last = i + 1 == book.levels.size();
      // Levels i and i + 1 are both still those of the last iteration.
      const double threshold = last ? INFINITY : (book.levels[i] + book.levels[i + 1]) / 2;
      const uint64_t end = last ? source.count() : source.below(threshold, begin);
      error += source.error(begin, end, book.levels[i]);
      if (end > begin) book.levels[i] = source.sum(begin, end) / static_cast<double>(end - begin);
      begin = end;
    }
    const double nmse = error / static_cast<double>(source.count()) / source.power();
    book.point = {static_cast<double>(bits), nmse};
    if (previous - nmse <= kTolerance * nmse) break;
    previous = nmse;
  }
  return book;
}

}  // namespace nwc
