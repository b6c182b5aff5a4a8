#include "methods/incoherence.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <random>
#include <utility>

#include "base/parallel.h"
#include "baselines/rotation.h"

namespace nwc {
namespace {

bool is_prime(uint64_t p) {
  if (p < 2) return false;
  for (uint64_t d = 2; d * d <= p; ++d) {
    if (p % d == 0) return false;
  }
  return true;
}

// 1 where a - b is a square modulo p, -1 where it is none, 0 where it is 0: Jacobsthal's matrix.
std::vector<int8_t> residues(uint64_t p) {
  std::vector<int8_t> square(p, -1);
  square[0] = 0;
  for (uint64_t x = 1; x < p; ++x) square[x * x % p] = 1;
  std::vector<int8_t> q(p * p);
  for (uint64_t a = 0; a < p; ++a) {
    for (uint64_t b = 0; b < p; ++b) q[a * p + b] = square[(a + p - b) % p];
  }
  return q;
}

// Of order p + 1 for a prime p = 3 modulo 4: I + S with a skew-symmetric conference matrix S.
std::vector<int8_t> paley_one(uint64_t p) {
  const uint64_t n = p + 1;
  const std::vector<int8_t> q = residues(p);
  std::vector<int8_t> h(n * n, 1);
  for (uint64_t a = 0; a < p; ++a) {
    h[(a + 1) * n] = -1;
    for (uint64_t b = 0; b < p; ++b) h[(a + 1) * n + b + 1] = static_cast<int8_t>(q[a * p + b] + (a == b ? 1 : 0));
  }
  return h;
}

// Of order 2 (p + 1) for a prime p = 1 modulo 4: entries of a symmetric conference matrix become blocks of 2 x 2.
std::vector<int8_t> paley_two(uint64_t p) {
  const uint64_t c = p + 1, n = 2 * c;
  const std::vector<int8_t> q = residues(p);
  std::vector<int8_t> h(n * n);
  for (uint64_t a = 0; a < c; ++a) {
    for (uint64_t b = 0; b < c; ++b) {
      const int entry = a == b ? 0 : a == 0 || b == 0 ? 1 : q[(a - 1) * p + b - 1];
      int8_t* const at = h.data() + 2 * a * n + 2 * b;
      // 0: (1 -1; -1 -1); +-1: +-(1 1; 1 -1).
      at[0] = static_cast<int8_t>(entry == 0 ? 1 : entry);
      at[1] = at[n] = static_cast<int8_t>(entry == 0 ? -1 : entry);
      at[n + 1] = static_cast<int8_t>(entry == 0 ? -1 : -entry);
    }
  }
  return h;
}

template <class T>
void sylvester(T* x, uint64_t n) {
  for (uint64_t half = 1; half < n; half *= 2) {
    for (uint64_t block = 0; block < n; block += 2 * half) {
      for (uint64_t i = block; i < block + half; ++i) {
        const T sum = x[i] + x[i + half], difference = x[i] - x[i + half];
        x[i] = sum;
        x[i + half] = difference;
      }
    }
  }
  const T scale = static_cast<T>(1 / std::sqrt(static_cast<double>(n)));
  for (uint64_t i = 0; i < n; ++i) x[i] *= scale;
}

// Rows become columns.
std::vector<float> transposed(const std::vector<float>& w, uint64_t rows, uint64_t columns) {
  std::vector<float> t(w.size());
  for (uint64_t r = 0; r < rows; ++r) {
    for (uint64_t c = 0; c < columns; ++c) t[c * rows + r] = w[r * columns + c];
  }
  return t;
}

template <class Apply>
void along_both(std::vector<float>& weights, uint64_t rows, uint64_t columns, int threads, Apply apply) {
  parallel_for_or_throw(rows, threads,
                        [&](size_t r, int) { apply(std::span<float>(weights).subspan(r * columns, columns), false); });
  std::vector<float> turned = transposed(weights, rows, columns);
  parallel_for_or_throw(columns, threads,
                        [&](size_t c, int) { apply(std::span<float>(turned).subspan(c * rows, rows), true); });
  weights = transposed(turned, columns, rows);
}

}  // namespace

std::vector<int8_t> hadamard_matrix(uint64_t order) {
  if (order == 1) return {1};
  if (order == 2) return {1, 1, 1, -1};
  if (order % 4 == 0 && is_prime(order - 1)) return paley_one(order - 1);
  if (order % 4 == 0 && order / 2 % 4 == 2 && is_prime(order / 2 - 1)) return paley_two(order / 2 - 1);
  return {};
}

RandomHadamard::RandomHadamard(uint64_t n, uint64_t seed) : n_(n), signs_(n) {
  std::mt19937_64 random(seed);
  for (int8_t& sign : signs_) sign = random() >> 63 == 0 ? 1 : -1;
  const uint64_t twos = n > 0 ? uint64_t{1} << std::countr_zero(n) : 1, odd = n / twos;
  small_ = odd;
  std::vector<int8_t> hadamard = hadamard_matrix(odd);
  for (uint64_t factor = 4; hadamard.empty() && factor <= std::min<uint64_t>(twos, 32); factor *= 2) {
    hadamard = hadamard_matrix(odd * factor);
    if (!hadamard.empty()) small_ = odd * factor;
  }
  power_ = n / std::max<uint64_t>(1, small_);
  if (hadamard.empty()) {
    matrix_ = random_orthogonal(small_, seed + 1);
  } else {
    const double scale = 1 / std::sqrt(static_cast<double>(small_));
    for (const int8_t v : hadamard) matrix_.push_back(v * scale);
  }
}

// x as [small][power]: rows by Sylvester's, then columns by the small matrix.
template <class T>
void RandomHadamard::mix(std::span<T> x, bool transpose) const {
  if (!transpose) {
    for (uint64_t i = 0; i < n_; ++i) x[i] *= signs_[i];
  }
  for (uint64_t m = 0; m < small_; ++m) sylvester(x.data() + m * power_, power_);
  if (small_ > 1) {
    std::vector<T> out(n_, T{0});
    for (uint64_t a = 0; a < small_; ++a) {
      for (uint64_t b = 0; b < small_; ++b) {
        const T factor = static_cast<T>(transpose ? matrix_[b * small_ + a] : matrix_[a * small_ + b]);
        const T* const from = x.data() + b * power_;
        T* const to = out.data() + a * power_;
        for (uint64_t i = 0; i < power_; ++i) to[i] += factor * from[i];
      }
    }
    std::copy(out.begin(), out.end(), x.begin());
  }
  if (transpose) {
    for (uint64_t i = 0; i < n_; ++i) x[i] *= signs_[i];
  }
}

void RandomHadamard::apply(std::span<float> x) const { mix(x, false); }
void RandomHadamard::apply_transposed(std::span<float> x) const { mix(x, true); }
void RandomHadamard::apply(std::span<double> x) const { mix(x, false); }

void transform_matrix(std::vector<float>& weights, const RandomHadamard& outputs, const RandomHadamard& inputs,
                      int threads) {
  along_both(weights, outputs.size(), inputs.size(), threads,
             [&](std::span<float> x, bool column) { column ? outputs.apply(x) : inputs.apply(x); });
}

void transform_back(std::vector<float>& weights, const RandomHadamard& outputs, const RandomHadamard& inputs,
                    int threads) {
  along_both(weights, outputs.size(), inputs.size(), threads, [&](std::span<float> x, bool column) {
    column ? outputs.apply_transposed(x) : inputs.apply_transposed(x);
  });
}

void transform_hessian(Dense& hessian, const RandomHadamard& inputs, int threads) {
  const uint64_t n = hessian.rows;
  const auto rows = [&] {
    parallel_for_or_throw(n, threads,
                          [&](size_t r, int) { inputs.apply(std::span<double>(hessian.values).subspan(r * n, n)); });
  };
  rows();  // H V^T; H is symmetric, so that the transpose of this is V H
  for (uint64_t i = 0; i < n; ++i) {
    for (uint64_t j = 0; j < i; ++j) std::swap(hessian.at(i, j), hessian.at(j, i));
  }
  rows();
  for (uint64_t i = 0; i < n; ++i) {
    for (uint64_t j = 0; j < i; ++j) hessian.at(i, j) = hessian.at(j, i) = (hessian.at(i, j) + hessian.at(j, i)) / 2;
  }
}

Result<FeedbackFactor> transformed_factor(const HessianView& hessian, const RandomHadamard& inputs, uint64_t block,
                                          int threads) {
  Dense full = full_hessian(hessian);
  transform_hessian(full, inputs, threads);
  std::vector<uint32_t> order(full.rows);
  std::iota(order.begin(), order.end(), 0u);
  return factorise(triangle_of(full), full.rows, std::move(order),
                   {.damping = 0.01, .block_size = static_cast<uint32_t>(block)}, threads);
}

Result<IncoherentMatrix> make_incoherent(std::vector<float> weights, uint64_t rows, uint64_t columns, uint64_t seed,
                                         const HessianView* hessian, uint64_t block, int threads) {
  IncoherentMatrix matrix{RandomHadamard(rows, seed), RandomHadamard(columns, seed + 1), std::move(weights), 0, {}};
  transform_matrix(matrix.weights, matrix.outputs, matrix.inputs, threads);
  if (hessian != nullptr) {
    NWC_ASSIGN_OR_RETURN(matrix.factor, transformed_factor(*hessian, matrix.inputs, block, threads));
  }
  double squares = 0;
  for (const float w : matrix.weights) squares += static_cast<double>(w) * w;
  matrix.rms = std::sqrt(squares / static_cast<double>(matrix.weights.size()));
  return matrix;
}

}  // namespace nwc
