#include "baselines/vector_quantizer.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "base/parallel.h"
#include "base/random_variates.h"

namespace nwc {
namespace {

constexpr size_t kTrainingPairs = size_t{1} << 18;
constexpr int kIterations = 100;
constexpr double kTolerance = 2e-5;
constexpr uint64_t kPairsPerPoint = 64;
constexpr size_t kPairsTogether = size_t{1} << 14;  // of a work item

float squared_distance_of(const Pair& a, const Pair& b) {
  const float x = a[0] - b[0], y = a[1] - b[1];
  return x * x + y * y;
}

std::vector<Pair> seed_codebook(std::span<const Pair> pairs, uint32_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Pair> points{pairs[static_cast<size_t>(uniform_variate(random) * static_cast<double>(pairs.size()))]};
  std::vector<float> nearest(pairs.size(), INFINITY);
  while (points.size() < size) {
    for (size_t i = 0; i < pairs.size(); ++i)
      nearest[i] = std::min(nearest[i], squared_distance_of(pairs[i], points.back()));
    const double total = std::accumulate(nearest.begin(), nearest.end(), 0.0);
    if (total == 0) break;  // every pair is a point already
    double left = uniform_variate(random) * total;
    size_t chosen = 0;
    for (; chosen + 1 < pairs.size() && left >= nearest[chosen]; ++chosen) left -= nearest[chosen];
    points.push_back(pairs[chosen]);
  }
  return points;
}

std::vector<Pair> pairs_of(std::span<const float> values) {
  std::vector<Pair> pairs(values.size() / 2);
  for (size_t i = 0; i < pairs.size(); ++i) pairs[i] = {values[2 * i], values[2 * i + 1]};
  return pairs;
}

}  // namespace

NearestPoint::NearestPoint(std::span<const Pair> points) : original_(points.size()) {
  std::iota(original_.begin(), original_.end(), 0u);
  std::sort(original_.begin(), original_.end(), [&](uint32_t a, uint32_t b) { return points[a] < points[b]; });
  for (const uint32_t i : original_) sorted_.push_back(points[i]);
}

uint32_t NearestPoint::find(const Pair& query, float* squared_distance) const {
  const size_t middle = static_cast<size_t>(std::lower_bound(sorted_.begin(), sorted_.end(), query) - sorted_.begin());
  float least = INFINITY;
  size_t nearest = 0;
  const auto look = [&](size_t i) {
    const float x = sorted_[i][0] - query[0];
    if (x * x >= least) return false;
    const float d = squared_distance_of(sorted_[i], query);
    if (d < least) {
      least = d;
      nearest = i;
    }
    return true;
  };
  // Alternately, so that both sides profit from what the other has found.
  size_t down = middle, up = middle;
  bool lower = true, upper = true;
  while (lower || upper) {
    lower = lower && down > 0 && look(--down);
    upper = upper && up < sorted_.size() && look(up++);
  }
  *squared_distance = least;
  return original_[nearest];
}

std::vector<Pair> fit_codebook(std::span<const Pair> pairs, uint32_t size, uint64_t seed) {
  if (pairs.size() <= size) return {pairs.begin(), pairs.end()};
  std::vector<Pair> points = seed_codebook(pairs, size, seed);
  double previous = INFINITY;
  for (int iteration = 0; iteration < kIterations; ++iteration) {
    const NearestPoint nearest(points);
    std::vector<std::array<double, 3>> sums(points.size(), {0, 0, 0});
    double error = 0;
    for (const Pair& pair : pairs) {
      float distance = 0;
      std::array<double, 3>& sum = sums[nearest.find(pair, &distance)];
      sum[0] += pair[0];
      sum[1] += pair[1];
      sum[2] += 1;
      error += distance;
    }
    for (size_t i = 0; i < points.size(); ++i) {
      if (sums[i][2] > 0)
        points[i] = {static_cast<float>(sums[i][0] / sums[i][2]), static_cast<float>(sums[i][1] / sums[i][2])};
    }
    if (previous - error <= kTolerance * error) break;
    previous = error;
  }
  return points;
}

unsigned largest_vector_bits(uint64_t count) {
  unsigned bits = 0;
  while (2 * (bits + 1) <= kLargestVectorIndex && kPairsPerPoint << (2 * (bits + 1)) <= count / 2) ++bits;
  return bits;
}

RatePoint vector_quantizer(std::span<const float> values, unsigned bits, uint64_t seed, int threads) {
  const std::vector<Pair> pairs = pairs_of(values);
  std::vector<Pair> training;
  const size_t wanted = std::min(pairs.size(), kTrainingPairs);
  for (size_t i = 0; i < wanted; ++i) training.push_back(pairs[i * pairs.size() / wanted]);
  const std::vector<Pair> points = fit_codebook(training, uint32_t{1} << (2 * bits), seed);
  const NearestPoint nearest(points);
  const size_t pieces = (pairs.size() + kPairsTogether - 1) / kPairsTogether;
  std::vector<double> errors(pieces), powers(pieces);
  parallel_for_or_throw(pieces, threads, [&](size_t piece, int) {
    for (size_t i = piece * kPairsTogether; i < std::min(pairs.size(), (piece + 1) * kPairsTogether); ++i) {
      float distance = 0;
      (void)nearest.find(pairs[i], &distance);
      errors[piece] += distance;
      powers[piece] += squared_distance_of(pairs[i], {0, 0});
    }
  });
  return {static_cast<double>(bits),
          std::accumulate(errors.begin(), errors.end(), 0.0) / std::accumulate(powers.begin(), powers.end(), 0.0)};
}

}  // namespace nwc
