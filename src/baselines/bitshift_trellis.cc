#include "baselines/bitshift_trellis.h"

#include <algorithm>
#include <limits>

#include "baselines/viterbi_kernel.h"

namespace nwc {
namespace {

constexpr float kNever = std::numeric_limits<float>::infinity();
constexpr unsigned kMostKernelBits = 8;  // of a step, so that a branch is a byte

double distance(const BitshiftTrellis& trellis, const float* weights, uint32_t state) {
  double sum = 0;
  for (unsigned v = 0; v < trellis.values; ++v) {
    const double d = static_cast<double>(weights[v]) - trellis.value(state, v);
    sum += d * d;
  }
  return sum;
}

void start(std::span<float> totals, const uint32_t* overlap) {
  std::fill(totals.begin(), totals.end(), overlap != nullptr ? kNever : 0.0f);
  if (overlap != nullptr) totals[*overlap] = 0.0f;
}

uint32_t end_of(std::span<const float> totals, const uint32_t* overlap) {
  if (overlap != nullptr) return *overlap;
  return static_cast<uint32_t>(std::min_element(totals.begin(), totals.end()) - totals.begin());
}

// Steps of many bits: the least totals of all steps are kept, not the decisions, and the way back finds the decision of
// one step among its branches.
TrellisPath path_by_totals(const BitshiftTrellis& trellis, std::span<const float> weights, const uint32_t* overlap,
                           ViterbiScratch& scratch) {
  const size_t steps = weights.size() / trellis.values, group = size_t{1} << trellis.overlap_bits(),
               branches = size_t{1} << trellis.step_bits;
  scratch.expanded.resize(trellis.states());
  scratch.best.resize((steps + 1) * group);
  float* const all = scratch.best.data();
  start({all, group}, overlap);
  for (size_t t = 0; t < steps; ++t) {
    const float* const from = all + t * group;
    float* const best = all + (t + 1) * group;
    std::fill_n(best, group, kNever);
    for (size_t p = 0; p < trellis.states(); ++p) scratch.expanded[p] = from[p >> trellis.step_bits];
    for (unsigned v = 0; v < trellis.values; ++v) {
      const float w = weights[t * trellis.values + v];
      const float* const code = trellis.code.data() + size_t{v} * trellis.states();
      for (size_t p = 0; p < trellis.states(); ++p) {
        const float d = w - code[p];
        scratch.expanded[p] += d * d;
      }
    }
    for (size_t p = 0; p < trellis.states(); p += group) {
      for (size_t o = 0; o < group; ++o) best[o] = std::min(best[o], scratch.expanded[p + o]);
    }
  }
  TrellisPath path;
  path.states.resize(steps);
  uint32_t shared = end_of({all + steps * group, group}, overlap);
  for (size_t t = steps; t-- > 0;) {
    const float* const w = weights.data() + t * trellis.values;
    double least = kNever;
    for (size_t j = 0; j < branches; ++j) {
      const uint32_t state = static_cast<uint32_t>(j * group + shared);
      const double total =
          static_cast<double>(all[t * group + (state >> trellis.step_bits)]) + distance(trellis, w, state);
      if (j != 0 && !(total < least)) continue;
      least = total;
      path.states[t] = state;
    }
    path.squared_error += distance(trellis, w, path.states[t]);
    shared = path.states[t] >> trellis.step_bits;
  }
  return path;
}

// At most kViterbiTogether sequences.
void paths_by_branches(const BitshiftTrellis& trellis, const float* weights, size_t length, size_t sequences,
                       const uint32_t* overlaps, ViterbiScratch& scratch, TrellisPath* paths) {
  const size_t steps = length / trellis.values, group = size_t{1} << trellis.overlap_bits(),
               stride = group + kViterbiPadding;
  scratch.best.resize(2 * kViterbiTogether * stride);
  scratch.branches.resize(sequences * steps * group);
  const auto totals = [&](size_t parity, size_t q) {
    return scratch.best.data() + (parity * kViterbiTogether + q) * stride;
  };
  for (size_t q = 0; q < sequences; ++q) start({totals(0, q), group}, overlaps == nullptr ? nullptr : overlaps + q);
  ViterbiKernel* const kernel = viterbi_kernel(current_isa());
  ViterbiStep step{trellis.code.data(), trellis.state_bits, trellis.step_bits, trellis.values, sequences};
  for (size_t t = 0; t < steps; ++t) {
    for (size_t q = 0; q < sequences; ++q) {
      step.weights[q] = weights + q * length + t * trellis.values;
      step.from[q] = totals(t % 2, q);
      step.best[q] = totals((t + 1) % 2, q);
      step.branch[q] = scratch.branches.data() + (q * steps + t) * group;
    }
    kernel(step);
  }
  for (size_t q = 0; q < sequences; ++q) {
    TrellisPath& path = paths[q];
    path.states.resize(steps);
    uint32_t shared = end_of({totals(steps % 2, q), group}, overlaps == nullptr ? nullptr : overlaps + q);
    for (size_t t = steps; t-- > 0;) {
      const uint32_t branch = scratch.branches[(q * steps + t) * group + shared];
      path.states[t] = static_cast<uint32_t>(branch * group + shared);
      path.squared_error += distance(trellis, weights + q * length + t * trellis.values, path.states[t]);
      shared = path.states[t] >> trellis.step_bits;
    }
  }
}

}  // namespace

std::vector<TrellisPath> best_paths(const BitshiftTrellis& trellis, std::span<const float> weights, size_t length,
                                    std::span<const uint32_t> overlaps, ViterbiScratch& scratch) {
  std::vector<TrellisPath> paths(weights.size() / length);
  const uint32_t* const constraint = overlaps.empty() ? nullptr : overlaps.data();
  if (trellis.step_bits > kMostKernelBits) {
    for (size_t i = 0; i < paths.size(); ++i) {
      paths[i] = path_by_totals(trellis, weights.subspan(i * length, length),
                                constraint == nullptr ? nullptr : constraint + i, scratch);
    }
    return paths;
  }
  for (size_t i = 0; i < paths.size(); i += kViterbiTogether) {
    paths_by_branches(trellis, weights.data() + i * length, length, std::min(kViterbiTogether, paths.size() - i),
                      constraint == nullptr ? nullptr : constraint + i, scratch, paths.data() + i);
  }
  return paths;
}

std::vector<TrellisPath> tail_biting_paths(const BitshiftTrellis& trellis, std::span<const float> weights,
                                           size_t length, ViterbiScratch& scratch) {
  const size_t half = length / (2 * trellis.values) * trellis.values;
  scratch.turned.assign(weights.begin(), weights.end());
  for (size_t i = 0; i + length <= weights.size(); i += length) {
    const auto first = scratch.turned.begin() + static_cast<std::ptrdiff_t>(i);
    std::rotate(first, first + static_cast<std::ptrdiff_t>(length - half), first + static_cast<std::ptrdiff_t>(length));
  }
  std::vector<uint32_t> overlaps;
  for (const TrellisPath& path : best_paths(trellis, scratch.turned, length, {}, scratch))
    overlaps.push_back(path.states[half / trellis.values] >> trellis.step_bits);
  return best_paths(trellis, weights, length, overlaps, scratch);
}

}  // namespace nwc
