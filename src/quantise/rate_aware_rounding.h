// Rounding that weighs distance against bits: from the nearest integer towards zero as long as (x - v)^2 + rate_weight
// * bits(v) falls, where bits(v) is what the context's table takes for v.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "entropy/context.h"
#include "entropy/frequency_table.h"
#include "quantise/rounding.h"

namespace nwc {

// Immutable; threads share it.
class RateAwareRounding {
 public:
  // What the integers of one table cost, in squared steps.
  struct Costs {
    int32_t first = 0;
    std::vector<float> of;  // of first, first + 1, ...
    float beyond = 0;       // of an escape near the table's ends
    float at(int32_t value) const {
      const int64_t index = int64_t{value} - first;
      return index >= 0 && index < static_cast<int64_t>(of.size()) ? of[static_cast<size_t>(index)] : beyond;
    }
  };

  // `rate_weight` >= 0, in squared steps per bit; at high rates the best is 2 ln 2 / 12 = 0.1155. Copies what it needs.
  RateAwareRounding(const TableSet& tables, double rate_weight);

  // Precondition: a context of the tables.
  int32_t operator()(float x, Context context) const {
    const Costs& costs = costs_[context];
    const auto cost_of = [&](int32_t value) {
      const float d = x - static_cast<float>(value);
      return d * d + costs.at(value);
    };
    int32_t v = round_latent(x);
    for (float cost = cost_of(v); v != 0;) {
      const int32_t nearer = v > 0 ? v - 1 : v + 1;
      const float less = cost_of(nearer);
      if (!(less < cost)) break;
      v = nearer;
      cost = less;
    }
    return v;
  }
  // By context.
  const std::vector<Costs>& costs() const { return costs_; }

 private:
  std::vector<Costs> costs_;  // by context
};

}  // namespace nwc
