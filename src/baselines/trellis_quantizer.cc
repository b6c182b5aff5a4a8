#include "baselines/trellis_quantizer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <vector>

#include "base/parallel.h"

namespace nwc {
namespace {

constexpr unsigned kFittingStateBits = 12;
constexpr uint64_t kFittingSamples = 8192;
constexpr size_t kSequencesTogether = 4;  // of a work item

// Whole sequences, spread evenly over `values`, at most `count` weights.
std::vector<float> spread(std::span<const float> values, uint64_t count) {
  const uint64_t all = values.size() / kTrellisSequence,
                 wanted = std::clamp<uint64_t>(count / kTrellisSequence, 1, all);
  std::vector<float> chosen;
  chosen.reserve(wanted * kTrellisSequence);
  for (uint64_t i = 0; i < wanted; ++i) {
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(i * all / wanted * kTrellisSequence);
    chosen.insert(chosen.end(), first, first + kTrellisSequence);
  }
  return chosen;
}

double power_of(std::span<const float> values) {
  return std::transform_reduce(values.begin(), values.end(), 0.0, std::plus<>(), [](double v) { return v * v; }) /
         static_cast<double>(values.size());
}

// Mean squared error over the mean square, with the code's numbers multiplied by `scale`.
double error_of(const BitshiftTrellis& trellis, std::span<const float> weights, double scale, bool tail_biting,
                int threads) {
  const size_t sequences = weights.size() / kTrellisSequence,
               pieces = (sequences + kSequencesTogether - 1) / kSequencesTogether;
  threads = resolve_threads(threads);
  std::vector<ViterbiScratch> scratch(static_cast<size_t>(threads));
  std::vector<double> errors(sequences);
  parallel_for_or_throw(pieces, threads, [&](size_t piece, int worker) {
    const size_t first = piece * kSequencesTogether, count = std::min(kSequencesTogether, sequences - first);
    std::vector<float> scaled(count * kTrellisSequence);
    for (size_t i = 0; i < scaled.size(); ++i)
      scaled[i] = static_cast<float>(weights[first * kTrellisSequence + i] / scale);
    ViterbiScratch& own = scratch[static_cast<size_t>(worker)];
    const std::vector<TrellisPath> paths = tail_biting ? tail_biting_paths(trellis, scaled, kTrellisSequence, own)
                                                       : best_paths(trellis, scaled, kTrellisSequence, {}, own);
    for (size_t s = 0; s < count; ++s) errors[first + s] = paths[s].squared_error;
  });
  const double error = std::accumulate(errors.begin(), errors.end(), 0.0) * scale * scale;
  return error / (power_of(weights) * static_cast<double>(weights.size()));
}

// A local minimum over powers of 1.03, approached in longer steps.
double fit_scale(const BitshiftTrellis& trellis, std::span<const float> weights, double deviation, int threads) {
  std::map<int, double> known;
  const auto scale_of = [&](int exponent) { return deviation * std::pow(1.03, exponent); };
  const auto error = [&](int exponent) {
    const auto found = known.find(exponent);
    if (found != known.end()) return found->second;
    return known[exponent] = error_of(trellis, weights, scale_of(exponent), false, threads);
  };
  int best = 0;
  for (const int step : {4, 1}) {
    for (const int direction : {-step, step}) {
      while (std::abs(best + direction) < 60 && error(best + direction) < error(best)) best += direction;
    }
  }
  return scale_of(best);
}

}  // namespace

TrellisResult trellis_quantizer(const std::function<BitshiftTrellis(unsigned state_bits)>& make_code,
                                std::span<const float> values, const TrellisOptions& options, int threads) {
  const BitshiftTrellis trellis = make_code(options.state_bits);
  const unsigned fitting_bits = std::min(options.state_bits, std::max(kFittingStateBits, trellis.step_bits + 2));
  const std::vector<float> weights = spread(values, options.samples), few = spread(weights, kFittingSamples);
  const double deviation = std::sqrt(power_of(weights));
  const double scale = fit_scale(make_code(fitting_bits), few, deviation, threads);
  TrellisResult result;
  result.scale = scale / deviation;
  result.samples = weights.size();
  const double steps = static_cast<double>(kTrellisSequence / trellis.values);
  const double path_bits = steps * trellis.step_bits + (options.tail_biting ? 0 : trellis.overlap_bits());
  result.point = {path_bits / static_cast<double>(kTrellisSequence),
                  error_of(trellis, weights, scale, options.tail_biting, threads)};
  return result;
}

}  // namespace nwc
