#include "quantise/trellis_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "entropy/frequency_table.h"

namespace nwc {
namespace {

constexpr unsigned kStates = limits::kMaxTrellisStates;
constexpr float kDead = std::numeric_limits<float>::infinity();

struct Choice {
  float cost;
  int32_t value;
};

// x, where integers can follow.
inline float within(float x) {
  constexpr auto most = static_cast<float>(kMaxSymbolValue / 2);
  return x >= -most ? std::min(x, most) : x < -most ? -most : 0.0f;
}

// The cheapest integer near x of a union and a branch: one of the two neighbours among the integers that are 2 * branch
// + union modulo 4. Integers outside of the table are spelled out and leave by branch 0.
inline Choice cheapest(float x, const SymbolCosts::Table& table, int32_t of_union, int32_t branch) {
  const int32_t residue = 2 * branch + of_union;
  const auto below = 4 * static_cast<int32_t>(std::floor((x - static_cast<float>(residue)) * 0.25f)) + residue;
  const auto cost_of = [&](int32_t value) {
    const int32_t half = value >> 1;
    if (branch != 0 && !table.has(half)) return kDead;
    const float d = x - static_cast<float>(value);
    return d * d + table.at(half);
  };
  const float lower = cost_of(below), upper = cost_of(below + 4);
  return upper < lower ? Choice{upper, below + 4} : Choice{lower, below};
}

// to[i] = from[i] + factor * coefficients[i]
[[gnu::always_inline]] inline void add_scaled(const float* __restrict from, const float* __restrict coefficients,
                                              float factor, float* __restrict to, uint32_t n) {
  for (uint32_t i = 0; i < n; ++i) to[i] = from[i] + factor * coefficients[i];
}

// One source for all instruction sets, as in feedback_kernel.cc.
[[gnu::always_inline]] inline void body(const Trellis& trellis, const SymbolCosts& costs, Context odd,
                                        const ColumnTask& task, int32_t* integers) {
  struct Survivor {
    alignas(64) float moves[kMostPathRows];  // of the rows above
  };
  // Of the states that paths have behind the row at work, and before it.
  thread_local Survivor survivors[2][kStates];
  thread_local int32_t values[kMostPathRows][kStates];
  thread_local uint8_t branches[kMostPathRows][kStates];
  const unsigned states = trellis.states;
  const bool feedback = task.coefficients != nullptr;
  float total[2][kStates] = {};
  unsigned now = 0;
  if (feedback) {
    for (unsigned s = 0; s < states; ++s) {
      if (task.moves != nullptr)
        std::copy_n(task.moves, task.rows, survivors[0][s].moves);
      else
        std::fill_n(survivors[0][s].moves, task.rows, 0.0f);
    }
  }
  for (uint32_t r = task.rows; r-- > 0;) {
    const float factor = task.factors != nullptr ? task.factors[r] : 1.0f;
    const Context context = task.contexts[r * task.context_stride];
    const SymbolCosts::Table* const tables[2] = {&costs[context], &costs[static_cast<Context>(context + odd)]};
    Choice choices[kStates][2];  // by state behind the row, or by union where all aim alike; by branch
    float least = kDead;
    const auto consider = [&](float target, int32_t of_union, int32_t branch) {
      return cheapest(within(in_steps(target, task.scale, factor)), *tables[of_union], of_union, branch);
    };
    if (!feedback) {
      const float target = task.moves != nullptr ? task.base[r] + task.moves[r] : task.base[r];
      for (int32_t u = 0; u < 2; ++u) {
        for (int32_t b = 0; b < 2; ++b) choices[u][b] = consider(target, u, b);
      }
    }
    for (unsigned s = 0; s < states; ++s) {
      const auto u = static_cast<int32_t>(Trellis::union_of(s));
      Choice of[2];
      for (int32_t b = 0; b < 2; ++b) {
        const unsigned to = trellis.next[s][static_cast<size_t>(b)];
        of[b] = feedback ? consider(task.base[r] + survivors[now][to].moves[r], u, b) : choices[u][b];
        of[b].cost += total[now][to];
      }
      const unsigned b = of[1].cost < of[0].cost ? 1 : 0;
      total[1 - now][s] = of[b].cost;
      values[r][s] = of[b].value;
      branches[r][s] = static_cast<uint8_t>(b);
      least = std::min(least, of[b].cost);
      if (!feedback) continue;
      const float left = task.base[r] - static_cast<float>(of[b].value) * task.scale * factor;
      add_scaled(survivors[now][trellis.next[s][b]].moves, task.coefficients + r * task.coefficient_stride, left,
                 survivors[1 - now][s].moves, r);
    }
    now = 1 - now;
    for (unsigned s = 0; s < states; ++s) total[now][s] -= least;  // so that long paths lose no digits
  }
  unsigned state = 0;
  for (uint32_t r = 0; r < task.rows; ++r) {
    integers[r] = values[r][state];
    state = trellis.next[state][branches[r][state]];
  }
}

void scalar(const Trellis& trellis, const SymbolCosts& costs, Context odd, const ColumnTask& task, int32_t* integers) {
  body(trellis, costs, odd, task, integers);
}
#if defined(__x86_64__)
[[gnu::target("avx2")]] void avx2(const Trellis& trellis, const SymbolCosts& costs, Context odd, const ColumnTask& task,
                                  int32_t* integers) {
  body(trellis, costs, odd, task, integers);
}
[[gnu::target("avx512f,prefer-vector-width=512")]] void avx512(const Trellis& trellis, const SymbolCosts& costs,
                                                               Context odd, const ColumnTask& task, int32_t* integers) {
  body(trellis, costs, odd, task, integers);
}
#endif

}  // namespace

void search_trellis(const Trellis& trellis, const SymbolCosts& costs, Context odd, const ColumnTask& task,
                    [[maybe_unused]] Isa isa, int32_t* integers) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return avx512(trellis, costs, odd, task, integers);
  if (isa == Isa::kAvx2) return avx2(trellis, costs, odd, task, integers);
#endif
  scalar(trellis, costs, odd, task, integers);
}

}  // namespace nwc
