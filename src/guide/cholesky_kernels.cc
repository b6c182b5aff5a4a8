#include "guide/cholesky_kernels.h"

#include <cstring>

namespace nwc {
namespace {

// One source for all instruction sets: a vector holds different entries, never parts of one sum.
using Vector2 = double __attribute__((vector_size(16)));
using Vector4 = double __attribute__((vector_size(32)));
using Vector8 = double __attribute__((vector_size(64)));

constexpr size_t kMostWidth = 64;

template <typename V>
[[gnu::always_inline]] inline void solve(const Corner& corner, double* rows, size_t stride, size_t count,
                                         double* transposed, size_t transposed_stride) {
  constexpr size_t kVectors = kSolvedRows * sizeof(double) / sizeof(V);
  V x[kMostWidth][kVectors];
  const size_t width = corner.width;
  for (size_t k = 0; k < width; ++k) {
    double lanes[kSolvedRows] = {};
    for (size_t i = 0; i < count; ++i) lanes[i] = rows[i * stride + k];
    std::memcpy(x[k], lanes, sizeof(lanes));
  }
  for (size_t j = 0; j < width; ++j) {
    for (size_t v = 0; v < kVectors; ++v) x[j][v] /= corner.values[j * corner.stride + j];
    for (size_t l = j + 1; l < width; ++l) {
      const double c = corner.values[l * corner.stride + j];
      for (size_t v = 0; v < kVectors; ++v) x[l][v] -= x[j][v] * c;
    }
  }
  for (size_t k = 0; k < width; ++k) {
    double lanes[kSolvedRows];
    std::memcpy(lanes, x[k], sizeof(lanes));
    for (size_t i = 0; i < count; ++i) rows[i * stride + k] = transposed[k * transposed_stride + i] = lanes[i];
  }
}

[[gnu::always_inline]] inline void reduce_one(double* row, const double* factors, const Panel& panel, size_t begin,
                                              size_t end) {
  for (size_t j = begin; j < end; ++j) {
    double sum = row[j];
    for (size_t k = 0; k < panel.width; ++k) sum -= factors[k] * panel.values[k * panel.stride + j];
    row[j] = sum;
  }
}

// Entries [begin, end) of kReducedRows rows as far as whole runs of vectors go; returns where they end.
template <typename V, size_t kVectors>
[[gnu::always_inline]] inline size_t reduce_runs(double* rows, size_t stride, size_t begin, size_t end,
                                                 const double* factors, const Panel& panel) {
  constexpr size_t kRun = kVectors * sizeof(V) / sizeof(double);
  for (; begin + kRun <= end; begin += kRun) {
    V sum[kReducedRows][kVectors];
    for (size_t i = 0; i < kReducedRows; ++i) std::memcpy(sum[i], rows + i * stride + begin, sizeof(sum[i]));
    for (size_t k = 0; k < panel.width; ++k) {
      V column[kVectors];
      std::memcpy(column, panel.values + k * panel.stride + begin, sizeof(column));
#pragma GCC unroll 4
      for (size_t i = 0; i < kReducedRows; ++i) {
        const double factor = factors[i * stride + k];
#pragma GCC unroll 4
        for (size_t v = 0; v < kVectors; ++v) sum[i][v] -= column[v] * factor;
      }
    }
    for (size_t i = 0; i < kReducedRows; ++i) std::memcpy(rows + i * stride + begin, sum[i], sizeof(sum[i]));
  }
  return begin;
}

template <typename V, size_t kVectors>
[[gnu::always_inline]] inline void reduce(double* rows, size_t stride, size_t count, size_t first,
                                          const double* factors, const Panel& panel) {
  size_t done = 0;
  if (count == kReducedRows) {
    done = reduce_runs<V, kVectors>(rows, stride, done, first + 1, factors, panel);
    done = reduce_runs<V, 1>(rows, stride, done, first + 1, factors, panel);
  }
  for (size_t i = 0; i < count; ++i) reduce_one(rows + i * stride, factors + i * stride, panel, done, first + i + 1);
}

void scalar_solve(const Corner& c, double* r, size_t s, size_t n, double* t, size_t ts) {
  solve<Vector2>(c, r, s, n, t, ts);
}
void scalar_reduce(double* r, size_t s, size_t n, size_t first, const double* f, const Panel& p) {
  reduce<Vector2, 2>(r, s, n, first, f, p);
}
#if defined(__x86_64__)
[[gnu::target("avx2")]] void avx2_solve(const Corner& c, double* r, size_t s, size_t n, double* t, size_t ts) {
  solve<Vector4>(c, r, s, n, t, ts);
}
[[gnu::target("avx2")]] void avx2_reduce(double* r, size_t s, size_t n, size_t first, const double* f, const Panel& p) {
  reduce<Vector4, 2>(r, s, n, first, f, p);
}
[[gnu::target("avx512f,prefer-vector-width=512")]] void avx512_solve(const Corner& c, double* r, size_t s, size_t n,
                                                                     double* t, size_t ts) {
  solve<Vector8>(c, r, s, n, t, ts);
}
[[gnu::target("avx512f,prefer-vector-width=512")]] void avx512_reduce(double* r, size_t s, size_t n, size_t first,
                                                                      const double* f, const Panel& p) {
  reduce<Vector8, 4>(r, s, n, first, f, p);
}
#endif

}  // namespace

void solve_rows(const Corner& corner, double* rows, size_t stride, size_t count, double* transposed,
                size_t transposed_stride, [[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return avx512_solve(corner, rows, stride, count, transposed, transposed_stride);
  if (isa == Isa::kAvx2) return avx2_solve(corner, rows, stride, count, transposed, transposed_stride);
#endif
  scalar_solve(corner, rows, stride, count, transposed, transposed_stride);
}

void reduce_rows(double* rows, size_t stride, size_t count, size_t first, const double* factors, const Panel& panel,
                 [[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return avx512_reduce(rows, stride, count, first, factors, panel);
  if (isa == Isa::kAvx2) return avx2_reduce(rows, stride, count, first, factors, panel);
#endif
  scalar_reduce(rows, stride, count, first, factors, panel);
}

}  // namespace nwc
