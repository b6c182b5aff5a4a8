#include "methods/dense.h"

#include <cstring>
#include <tuple>

#include "libtorch/foreign.h"
#include "libtorch/tensors.h"

namespace nwc {
namespace {

at::Tensor tensor_of(const Dense& a) {
  return torch::from_blob(const_cast<double*>(a.values.data()),  // read only
                          {static_cast<int64_t>(a.rows), static_cast<int64_t>(a.columns)}, torch::kFloat64);
}

Dense dense_from(const at::Tensor& t) {
  const at::Tensor c = t.contiguous();
  Dense a = Dense::zeros(static_cast<uint64_t>(c.size(0)), static_cast<uint64_t>(c.size(1)));
  if (!a.values.empty()) std::memcpy(a.values.data(), c.data_ptr<double>(), a.values.size() * sizeof(double));
  return a;
}

std::vector<double> vector_from(const at::Tensor& t) {
  const at::Tensor c = t.contiguous();
  const double* const first = c.data_ptr<double>();
  return {first, first + c.numel()};
}

}  // namespace

Dense full_hessian(const HessianView& hessian) {
  const uint64_t n = hessian.columns;
  Dense full = Dense::zeros(n, n);
  for (uint64_t i = 0; i < n; ++i) {
    for (uint64_t j = 0; j <= i; ++j) full.at(i, j) = full.at(j, i) = hessian.triangle[i * (i + 1) / 2 + j];
  }
  return full;
}

std::vector<float> triangle_of(const Dense& symmetric) {
  std::vector<float> triangle;
  triangle.reserve(symmetric.rows * (symmetric.rows + 1) / 2);
  for (uint64_t i = 0; i < symmetric.rows; ++i) {
    for (uint64_t j = 0; j <= i; ++j) triangle.push_back(static_cast<float>(symmetric.at(i, j)));
  }
  return triangle;
}

Dense dense_of(const std::vector<float>& values, uint64_t rows, uint64_t columns) {
  return {rows, columns, std::vector<double>(values.begin(), values.end())};
}

Result<Dense> product(const Dense& a, const Dense& b, bool transpose_a, bool transpose_b) {
  return catch_foreign("a matrix product", [&]() -> Result<Dense> {
    const torch::NoGradGuard no_gradients;
    const at::Tensor x = tensor_of(a), y = tensor_of(b);
    return dense_from(at::matmul(transpose_a ? x.t() : x, transpose_b ? y.t() : y));
  });
}

Result<Dense> cholesky(const Dense& a) {
  return catch_foreign("Cholesky's decomposition", [&]() -> Result<Dense> {
    const torch::NoGradGuard no_gradients;
    const auto [factor, info] = at::linalg_cholesky_ex(tensor_of(a));
    if (info.item<int>() != 0) return Error(ErrorCode::kCorrupt, "has a Hessian that is not positive definite");
    return dense_from(factor);
  });
}

Result<Dense> inverse_from_cholesky(const Dense& lower) {
  return catch_foreign("inverting a matrix", [&]() -> Result<Dense> {
    const torch::NoGradGuard no_gradients;
    return dense_from(at::cholesky_inverse(tensor_of(lower)));
  });
}

Result<Dense> inverse_of_lower(const Dense& lower) {
  return catch_foreign("inverting a triangle", [&]() -> Result<Dense> {
    const torch::NoGradGuard no_gradients;
    const at::Tensor one = torch::eye(static_cast<int64_t>(lower.rows), torch::kFloat64);
    return dense_from(at::linalg_solve_triangular(tensor_of(lower), one, /*upper=*/false));
  });
}

Result<Svd> singular_values(const Dense& a) {
  return catch_foreign("the singular value decomposition", [&]() -> Result<Svd> {
    const torch::NoGradGuard no_gradients;
    const auto [u, s, vt] = at::linalg_svd(tensor_of(a), /*full_matrices=*/false);
    return Svd{dense_from(u), dense_from(vt), vector_from(s)};
  });
}

Result<Eigen> eigenvalues(const Dense& symmetric) {
  return catch_foreign("the eigenvalue decomposition", [&]() -> Result<Eigen> {
    const torch::NoGradGuard no_gradients;
    const auto [w, v] = at::linalg_eigh(tensor_of(symmetric));
    return Eigen{dense_from(v), vector_from(w)};
  });
}

}  // namespace nwc
