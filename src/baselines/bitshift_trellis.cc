#include "baselines/bitshift_trellis.h"

#include <algorithm>
#include <limits>

namespace nwc {
namespace {

constexpr float kNever = std::numeric_limits<float>::infinity();

// totals[p] = expanded[p] + distance of the weights to state p's numbers, and best[o] = least total of the states that
// end in o.
void advance(const BitshiftTrellis& trellis, const float* weights, const float* expanded, float* best) {
  const size_t group = size_t{1} << trellis.overlap_bits(), states = trellis.states();
  std::fill_n(best, group, kNever);
  const float* const first = trellis.code.data();
  if (trellis.values == 1) {
    const float w = weights[0];
    for (size_t p = 0; p < states; p += group) {
      for (size_t o = 0; o < group; ++o) {
        const float d = w - first[p + o], total = expanded[p + o] + d * d;
        best[o] = total < best[o] ? total : best[o];
      }
    }
    return;
  }
  const float* const second = first + states;
  const float v = weights[0], w = weights[1];
  for (size_t p = 0; p < states; p += group) {
    for (size_t o = 0; o < group; ++o) {
      const float d = v - first[p + o], e = w - second[p + o], total = expanded[p + o] + (d * d + e * e);
      best[o] = total < best[o] ? total : best[o];
    }
  }
}

// The same arithmetic for one state.
float distance(const BitshiftTrellis& trellis, const float* weights, uint32_t state) {
  const float d = weights[0] - trellis.code[state];
  if (trellis.values == 1) return d * d;
  const float e = weights[1] - trellis.code[trellis.states() + state];
  return d * d + e * e;
}

}  // namespace

// Only the least totals per overlap are kept, not the decisions: they are 2^step_bits times fewer than the states, and
// the way back finds the decision of one step among 2^step_bits candidates.
TrellisPath best_path(const BitshiftTrellis& trellis, std::span<const float> weights, std::optional<uint32_t> overlap,
                      ViterbiScratch& scratch) {
  const size_t steps = weights.size() / trellis.values, group = size_t{1} << trellis.overlap_bits(),
               branches = size_t{1} << trellis.step_bits;
  scratch.expanded.resize(trellis.states());
  scratch.best.resize((steps + 1) * group);
  // best[t]: least totals of t steps by the overlap with the state of step t.
  float* const start = scratch.best.data();
  std::fill_n(start, group, overlap ? kNever : 0.0f);
  if (overlap) start[*overlap] = 0.0f;
  for (size_t t = 0; t < steps; ++t) {
    const float* const from = start + t * group;
    for (size_t o = 0; o < group; ++o) std::fill_n(scratch.expanded.data() + o * branches, branches, from[o]);
    advance(trellis, weights.data() + t * trellis.values, scratch.expanded.data(), start + (t + 1) * group);
  }

  TrellisPath path;
  path.states.resize(steps);
  const float* const totals = start + steps * group;
  uint32_t shared = overlap ? *overlap : static_cast<uint32_t>(std::min_element(totals, totals + group) - totals);
  for (size_t t = steps; t-- > 0;) {
    const float* const w = weights.data() + t * trellis.values;
    float least = kNever;
    for (size_t j = 0; j < branches; ++j) {
      const uint32_t state = static_cast<uint32_t>(j * group + shared);
      const float total = start[t * group + (state >> trellis.step_bits)] + distance(trellis, w, state);
      if (j != 0 && !(total < least)) continue;
      least = total;
      path.states[t] = state;
    }
    path.squared_error += static_cast<double>(distance(trellis, w, path.states[t]));
    shared = path.states[t] >> trellis.step_bits;
  }
  return path;
}

}  // namespace nwc
