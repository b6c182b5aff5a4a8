// The two loops in which a Cholesky factor spends its time. All instruction sets give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nwcodec/isa.h"

namespace nwc {

inline constexpr uint64_t kSolvedRows = 8, kReducedRows = 4;  // that a call takes at most

// x C^T = b for each of `count` rows b at rows[i * stride], `width` long, which x takes the place of; C is the lower
// triangle at `corner`. transposed[k * transposed_stride + i] becomes x_k of row i as well.
struct Corner {
  const double* values;
  size_t stride, width;
};
void solve_rows(const Corner& corner, double* rows, size_t stride, size_t count, double* transposed,
                size_t transposed_stride, Isa isa);

// rows[i * stride + j] -= sum over k, ascending and one by one, of factors[i * stride + k] * panel[k * panel.stride +
// j], for j up to first + i: rows of a lower triangle, of which the first has first + 1 entries.
struct Panel {
  const double* values;
  size_t stride, width;
};
void reduce_rows(double* rows, size_t stride, size_t count, size_t first, const double* factors, const Panel& panel,
                 Isa isa);

}  // namespace nwc
