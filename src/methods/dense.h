// Dense linear algebra in binary64: LibTorch's LAPACK and BLAS behind plain vectors, for callers that do not include
// LibTorch. Matrices are row-major. Results depend on the machine's BLAS. Threads: those of set_compute_threads().
// Errors of all: kInternal where LAPACK fails.
#pragma once

#include <cstdint>
#include <vector>

#include "guide/guide.h"
#include "nwcodec/result.h"

namespace nwc {

struct Dense {
  uint64_t rows = 0, columns = 0;
  std::vector<double> values;  // [rows][columns]

  static Dense zeros(uint64_t rows, uint64_t columns) { return {rows, columns, std::vector<double>(rows * columns)}; }
  double& at(uint64_t r, uint64_t c) { return values[r * columns + c]; }
  double at(uint64_t r, uint64_t c) const { return values[r * columns + c]; }
};

// Both triangles.
Dense full_hessian(const HessianView& hessian);
// The lower triangle row by row, in binary32, as factorise() takes it.
std::vector<float> triangle_of(const Dense& symmetric);
Dense dense_of(const std::vector<float>& values, uint64_t rows, uint64_t columns);

// a b, a^T b or a b^T.
Result<Dense> product(const Dense& a, const Dense& b, bool transpose_a = false, bool transpose_b = false);
// L of A = L L^T, lower triangular. Errors: kCorrupt for a matrix that is not positive definite.
Result<Dense> cholesky(const Dense& a);
// A^-1 of a positive definite A, from its Cholesky factor.
Result<Dense> inverse_from_cholesky(const Dense& lower);
// L^-1 of a lower triangular L.
Result<Dense> inverse_of_lower(const Dense& lower);

// A = U diag(s) V^T, s descending; U [m][k], Vt [k][n] with k = min(m, n).
struct Svd {
  Dense u, vt;
  std::vector<double> s;
};
Result<Svd> singular_values(const Dense& a);

// A = V diag(w) V^T of a symmetric A, w ascending, eigenvectors the columns of V.
struct Eigen {
  Dense v;
  std::vector<double> w;
};
Result<Eigen> eigenvalues(const Dense& symmetric);

}  // namespace nwc
