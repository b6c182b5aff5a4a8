// Integer frequency tables from counts of integers: for a codec (from its density) and for one tensor (from its
// symbols).
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "entropy/frequency_table.h"

namespace nwc {

// How often each integer occurs, ascending by value, counts > 0.
using Histogram = std::vector<std::pair<int32_t, uint64_t>>;

// Bits that an integer takes when it is spelled out after an escape.
unsigned escape_bits(int32_t value);

// The cost of coding the histogram with the table, escapes spelled out, in bits * 2^kCostBits (base/fixed_log2.h).
uint64_t coding_cost(const Histogram& histogram, const FrequencyTable& table);

// Which tables fit_table() may choose: any, or those of a codec with a trellis, whose minimum and count are even; these
// with as few raw bits as 256 symbols allow, since a step without any is the fastest.
enum class TableRange : uint8_t { kAny, kEven };

// The table of the format that codes the histogram at (nearly) the least cost: searches the range that ordinary symbols
// cover and the number of raw low bits, and rounds frequencies for least cost. Integer arithmetic and IEEE divisions
// only: the same table on every machine. An empty histogram gives a table for the integer 0.
FrequencyTable fit_table(const Histogram& histogram, TableRange range = TableRange::kAny);

}  // namespace nwc
