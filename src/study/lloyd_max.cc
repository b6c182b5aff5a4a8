#include "study/lloyd_max.h"

#include <algorithm>
#include <cmath>

namespace nwc {
namespace {

// The iteration converges slowly with many levels; an iteration costs microseconds.
constexpr int kIterations = 20000;
constexpr double kTolerance = 1e-9;  // relative gain of an iteration at which it ends

// Quantiles of a distribution that is flatter than the source: the optimal levels' density is the cube root of the source's, so
// the tails need more levels than they have numbers.
std::vector<double> first_levels(const SortedSource& source, uint64_t count) {
  std::vector<double> levels;
  for (uint64_t i = 0; i < count; ++i) {
    const double share = (static_cast<double>(i) + 0.5) / static_cast<double>(count);
    const uint64_t rank = std::min(source.count() - 1, static_cast<uint64_t>(share * static_cast<double>(source.count())));
    levels.push_back(source.at(rank) * std::sqrt(3.0));
  }
  return levels;
}

}  // namespace

ScalarCodebook lloyd_max(const SortedSource& source, unsigned bits) {
  ScalarCodebook book;
  book.levels = first_levels(source, uint64_t{1} << bits);
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
