// What integers cost under frequency tables, in squared steps: what rate-aware quantisers weigh against distance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "entropy/context.h"
#include "entropy/frequency_table.h"

namespace nwc {

// Immutable; threads share it.
class SymbolCosts {
 public:
  // What the integers of one table cost.
  struct Table {
    int32_t first = 0;
    std::vector<float> of;  // of first, first + 1, ...
    float beyond = 0;       // of an escape near the table's ends
    bool has(int64_t value) const { return value >= first && value - first < static_cast<int64_t>(of.size()); }
    float at(int32_t value) const { return has(value) ? of[static_cast<size_t>(int64_t{value} - first)] : beyond; }
  };

  // `rate_weight` >= 0, in squared steps per bit. Copies what it needs.
  SymbolCosts(const TableSet& tables, double rate_weight);
  const Table& operator[](Context context) const { return tables_[context]; }
  // By context.
  const std::vector<Table>& tables() const { return tables_; }

 private:
  std::vector<Table> tables_;
};

}  // namespace nwc
