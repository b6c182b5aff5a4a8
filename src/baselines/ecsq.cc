#include "baselines/ecsq.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace nwc {
namespace {

constexpr int kBisections = 60;
constexpr double kBitsTolerance = 1e-6;
constexpr double kOptimalTolerance = 0.002;
constexpr int kIterations = 100;
constexpr double kGainTolerance = 1e-7;  // relative gain of an iteration at which it ends

double bits_of_share(uint64_t part, uint64_t whole) {
  return std::log2(static_cast<double>(whole) / static_cast<double>(part));
}

// Calls cell(k, begin, end) for every cell that is not empty, in ascending order.
template <class Cell>
void for_each_cell(const SortedSource& source, double step, const Cell& cell) {
  for (uint64_t begin = 0; begin < source.count();) {
    const double k = std::floor(source.at(begin) / step + 0.5);
    // At least one number even where (k + 1/2) * step rounds to less than it.
    const uint64_t end = std::max(begin + 1, source.below((k + 0.5) * step, begin));
    cell(k, begin, end);
    begin = end;
  }
}

// The step of a uniform quantiser with that error at high rate.
double high_rate_step(const SortedSource& source, double bits) {
  return std::sqrt(12 * source.power()) * std::exp2(-bits);
}

struct Cell {
  double level, bits;
};

// Where the cell after `a` begins.
double threshold(const Cell& a, const Cell& b, double lambda) {
  return (a.level + b.level) / 2 + lambda * (b.bits - a.bits) / (2 * (b.level - a.level));
}

RatePoint lagrangian_fit(const SortedSource& source, double step) {
  const uint64_t n = source.count();
  // d error / d bits of a high-rate quantiser, error = step^2 / 12.
  const double lambda = 2 * std::numbers::ln2 * step * step / 12;
  std::vector<Cell> cells, kept;
  std::vector<double> begins;  // of kept cells; the first is minus infinity
  for_each_cell(source, step, [&](double, uint64_t begin, uint64_t end) {
    cells.push_back({source.sum(begin, end) / static_cast<double>(end - begin), bits_of_share(end - begin, n)});
  });
  RatePoint point;
  double previous = INFINITY;
  for (int iteration = 0; iteration < kIterations; ++iteration) {
    // The lower envelope of the parabolas (x - level)^2 + lambda bits: cells that are nowhere the cheapest go.
    kept.clear();
    begins.clear();
    for (const Cell& cell : cells) {
      double begin = -INFINITY;
      while (!kept.empty()) {
        begin = cell.level > kept.back().level ? threshold(kept.back(), cell, lambda) : INFINITY;
        if (begin > begins.back()) break;
        kept.pop_back();
        begins.pop_back();
        begin = -INFINITY;
      }
      if (begin == INFINITY) continue;
      kept.push_back(cell);
      begins.push_back(begin);
    }
    cells.clear();
    double error = 0, bits = 0;
    uint64_t begin = 0;
    for (size_t i = 0; i < kept.size(); ++i) {
      const uint64_t end = i + 1 == kept.size() ? n : source.below(begins[i + 1], begin);
      if (end == begin) continue;
      const double count = static_cast<double>(end - begin), level = source.sum(begin, end) / count;
      error += source.error(begin, end, level);
      bits += count * bits_of_share(end - begin, n);
      cells.push_back({level, bits_of_share(end - begin, n)});
      begin = end;
    }
    point = {bits / static_cast<double>(n), error / static_cast<double>(n) / source.power()};
    const double cost = error / static_cast<double>(n) + lambda * point.bits;
    if (previous - cost <= kGainTolerance * cost) break;
    previous = cost;
  }
  return point;
}

}  // namespace

RatePoint uniform_quantiser(const SortedSource& source, double step, Reconstruction reconstruction) {
  double error = 0, bits = 0;
  for_each_cell(source, step, [&](double k, uint64_t begin, uint64_t end) {
    const double count = static_cast<double>(end - begin);
    error += source.error(begin, end,
                          reconstruction == Reconstruction::kMidpoint ? k * step : source.sum(begin, end) / count);
    bits += count * bits_of_share(end - begin, source.count());
  });
  const double n = static_cast<double>(source.count());
  return {bits / n, error / n / source.power()};
}

UniformFit fit_uniform(const SortedSource& source, double bits, Reconstruction reconstruction) {
  const auto entropy = [&](double step) { return uniform_quantiser(source, step, reconstruction).bits; };
  double fine = high_rate_step(source, bits), coarse = fine;
  for (int i = 0; i < kBisections && entropy(fine) < bits; ++i) fine /= 2;
  for (int i = 0; i < kBisections && entropy(coarse) > bits; ++i) coarse *= 2;
  UniformFit fit{fine, uniform_quantiser(source, fine, reconstruction)};
  for (int i = 0; i < kBisections && std::abs(fit.point.bits - bits) > kBitsTolerance; ++i) {
    fit.step = std::sqrt(fine * coarse);
    fit.point = uniform_quantiser(source, fit.step, reconstruction);
    (fit.point.bits > bits ? fine : coarse) = fit.step;
  }
  return fit;
}

RatePoint optimal_ecsq(const SortedSource& source, double bits) {
  // Bits fall with the step; one that is too fine and one that is too coarse are found first, then halved (in their
  // logarithm).
  double fine = high_rate_step(source, bits), coarse = fine;
  RatePoint point = lagrangian_fit(source, fine);
  for (int i = 0; i < kBisections && lagrangian_fit(source, coarse).bits > bits; ++i) coarse *= 2;
  for (int i = 0; i < kBisections && lagrangian_fit(source, fine).bits < bits; ++i) fine /= 2;
  for (int i = 0; i < kBisections && std::abs(point.bits - bits) > kOptimalTolerance; ++i) {
    const double step = std::sqrt(fine * coarse);
    if (coarse - fine <= 1e-9 * fine) break;  // the source's bits jump here
    point = lagrangian_fit(source, step);
    (point.bits > bits ? fine : coarse) = step;
  }
  return point;
}

}  // namespace nwc
