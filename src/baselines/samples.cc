#include "baselines/samples.h"

#include <algorithm>

#include "weights/normalisation.h"

namespace nwc {
namespace {

constexpr uint64_t kStripe = 16;

// The rows that `limits` leaves, ascending.
std::vector<uint64_t> chosen_rows(uint64_t rows, uint64_t limit) {
  std::vector<uint64_t> chosen;
  const uint64_t stripes = rows / kStripe, wanted = std::max<uint64_t>(1, limit / kStripe);
  if (rows <= limit || wanted >= stripes) {
    for (uint64_t r = 0; r < rows; ++r) chosen.push_back(r);
    return chosen;
  }
  for (uint64_t i = 0; i < wanted; ++i) {
    const uint64_t first = i * stripes / wanted * kStripe;
    for (uint64_t j = 0; j < kStripe; ++j) chosen.push_back(first + j);
  }
  return chosen;
}

// `scales`: one per column of all matrices, or none.
Samples take(const WeightMatrix& weights, const SampleLimits& limits, std::span<const float> scales) {
  const std::vector<uint64_t> rows = chosen_rows(weights.rows, limits.rows);
  const uint64_t all_columns = weights.matrices * weights.columns;
  Samples samples{weights.name, rows.size(), std::min(all_columns, std::max<uint64_t>(1, limits.columns)), {}};
  samples.values.reserve(samples.rows * samples.columns);
  for (uint64_t i = 0; i < samples.columns; ++i) {
    const uint64_t number = i * all_columns / samples.columns, matrix = number / weights.columns,
                   column = number % weights.columns;
    const float scale = scales.empty() ? 1.0f : scales[number];
    for (const uint64_t r : rows)
      samples.values.push_back(scale > 0 ? weights.at(weights.index_of(matrix, r, column)) / scale : 0.0f);
  }
  return samples;
}

}  // namespace

double Samples::power() const {
  double sum = 0;
  for (const double v : values) sum += v * v;
  return values.empty() ? 0.0 : sum / static_cast<double>(values.size());
}

double normalised_error(std::span<const float> original, std::span<const float> decoded) {
  double error = 0, power = 0;
  for (size_t i = 0; i < original.size(); ++i) {
    const double x = original[i], d = decoded[i] - x;
    error += d * d;
    power += x * x;
  }
  return error / power;
}

Samples raw_samples(const WeightMatrix& weights, const SampleLimits& limits) { return take(weights, limits, {}); }

Result<Samples> normalised_samples(const WeightMatrix& weights, const SampleLimits& limits, int threads) {
  NWC_ASSIGN_OR_RETURN(const WeightScales scales, weight_scales(weights, {}, {}, threads));
  return take(weights, limits, scales.columns);
}

}  // namespace nwc
