#include "guide/cholesky.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/parallel.h"
#include "guide/cholesky_kernels.h"

namespace nwc {
namespace {

constexpr uint64_t kPanel = 48;         // columns eliminated together
constexpr uint64_t kRowsTogether = 32;  // of a work item; a multiple of what the kernels take

// The triangle on the diagonal; false if it is not positive definite.
bool factorise_corner(double* corner, uint64_t n, uint64_t width) {
  for (uint64_t j = 0; j < width; ++j) {
    for (uint64_t i = j; i < width; ++i) {
      double sum = corner[i * n + j];
      for (uint64_t k = 0; k < j; ++k) sum -= corner[i * n + k] * corner[j * n + k];
      if (i == j) {
        if (!(sum > 0) || !std::isfinite(sum)) return false;
        corner[j * n + j] = std::sqrt(sum);
      } else {
        corner[i * n + j] = sum / corner[j * n + j];
      }
    }
  }
  return true;
}

}  // namespace

bool cholesky(std::span<double> a, uint64_t n, int threads, Isa isa) {
  std::vector<double> panel;  // its finished columns, transposed: [kPanel][n]
  for (uint64_t p = 0; p < n; p += kPanel) {
    const uint64_t end = std::min(n, p + kPanel), width = end - p;
    const double* const corner = a.data() + p * n + p;
    if (!factorise_corner(a.data() + p * n + p, n, width)) return false;
    const uint64_t below = n - end;
    if (below == 0) break;
    panel.resize(width * n);
    const auto by_rows = [&](uint64_t together, const auto& body) {
      parallel_for_or_throw((below + kRowsTogether - 1) / kRowsTogether, threads, [&](size_t item, int) {
        const uint64_t first = end + item * kRowsTogether, last = std::min(n, first + kRowsTogether);
        for (uint64_t i = first; i < last; i += together) body(i, std::min(together, last - i));
      });
    };
    by_rows(kSolvedRows, [&](uint64_t i, uint64_t count) {
      solve_rows({corner, n, width}, a.data() + i * n + p, n, count, panel.data() + i, n, isa);
    });
    by_rows(kReducedRows, [&](uint64_t i, uint64_t count) {
      reduce_rows(a.data() + i * n + end, n, count, i - end, a.data() + i * n + p, {panel.data() + end, n, width}, isa);
    });
  }
  return true;
}

}  // namespace nwc
