// Rounding that weighs distance against bits: from the nearest integer towards zero as long as (x - v)^2 + rate_weight
// * bits(v) falls, where bits(v) is what the context's table takes for v.
#pragma once

#include <cstdint>

#include "quantise/column_rounding.h"
#include "quantise/rounding.h"

namespace nwc {

class RateAwareRounding final : public ColumnRounding {
 public:
  // `rate_weight` >= 0, in squared steps per bit; at high rates the best is 2 ln 2 / 12 = 0.1155.
  RateAwareRounding(const TableSet& tables, double rate_weight) : ColumnRounding(SymbolCosts(tables, rate_weight)) {}

  // Precondition: a context of the tables.
  int32_t operator()(float x, Context context) const {
    const SymbolCosts::Table& table = costs()[context];
    const auto cost_of = [&](int32_t value) {
      const float d = x - static_cast<float>(value);
      return d * d + table.at(value);
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
  void round(const ColumnTask& task, int32_t* integers) const override;
};

}  // namespace nwc
