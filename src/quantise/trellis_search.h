// The Viterbi search along a trellis: the path of integers with the least sum of distance^2 + rate_weight * bits.
#pragma once

#include <cstdint>

#include "nwcodec/isa.h"
#include "quantise/column_rounding.h"

namespace nwc {

// Weights of one path at most.
inline constexpr uint32_t kMostPathRows = 256;

// The path for the rows of `task`, which begins in state 0 before the first row and may end in any state; integers[row]
// are its integers. `costs`: of even integers' halves by context, those of odd ones `odd` contexts further on.
//
// It goes from the last row to the first, against the direction of the path, since feedback along rows comes from
// below: a survivor for each state holds what its own choices feed back to the rows above (per-survivor processing).
// Products and sums are rounded one by one, so all instruction sets give the same integers. Preconditions: task.rows <=
// kMostPathRows; a trellis of which each state leads to two.
void search_trellis(const Trellis& trellis, const SymbolCosts& costs, Context odd, const ColumnTask& task, Isa isa,
                    int32_t* integers);

}  // namespace nwc
