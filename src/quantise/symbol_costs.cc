#include "quantise/symbol_costs.h"

#include <cmath>

#include "base/fixed_log2.h"
#include "entropy/encode/table_fit.h"

namespace nwc {

SymbolCosts::SymbolCosts(const TableSet& tables, double rate_weight) {
  for (const FrequencyTable& table : tables) {
    const auto cost_of = [&](uint16_t frequency, uint32_t more_bits) {
      const uint64_t cost = (uint64_t{limits::kPrecisionBits + more_bits} << kCostBits) - fixed_log2(frequency);
      return static_cast<float>(rate_weight * std::ldexp(static_cast<double>(cost), -static_cast<int>(kCostBits)));
    };
    const SymbolMap map = table.symbols();
    Table costs{.first = table.minimum};
    for (uint32_t s = 0; s < table.count(); ++s)
      costs.of.insert(costs.of.end(), size_t{1} << table.shift, cost_of(table.frequencies[s], table.shift));
    costs.beyond = cost_of(table.frequencies[map.escape()], table.shift + escape_bits(table.minimum - 1));
    tables_.push_back(std::move(costs));
  }
}

}  // namespace nwc
