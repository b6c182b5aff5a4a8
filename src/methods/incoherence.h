// Incoherence processing (QuIP#, QTIP): random orthogonal transforms of inputs and outputs, after which weights look
// Gaussian whatever they were.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "guide/block_ldl.h"
#include "methods/dense.h"
#include "nwcodec/result.h"

namespace nwc {

// A Hadamard matrix of this order, +1 and -1, row-major: 1, 2, and of p + 1 and 2 (p + 1) by Paley's constructions with
// a prime p; none for other orders.
std::vector<int8_t> hadamard_matrix(uint64_t order);

// The orthonormal matrix Q = K diag(signs) of n channels, K a Hadamard matrix over sqrt(n): of n = 2^a m, the product
// of Sylvester's and one of order 4 m or the like (hadamard_matrix()); where no such order is known, of Sylvester's
// 2^a and a random orthogonal matrix of order m.
class RandomHadamard {
 public:
  RandomHadamard(uint64_t n, uint64_t seed);
  uint64_t size() const { return n_; }
  // In place, x of n numbers: Q x, and Q^T x.
  void apply(std::span<float> x) const;
  void apply_transposed(std::span<float> x) const;
  void apply(std::span<double> x) const;

 private:
  template <class T>
  void mix(std::span<T> x, bool transposed) const;
  uint64_t n_, small_, power_;  // n = small * power, power of two
  std::vector<double> matrix_;  // [small][small], orthonormal
  std::vector<int8_t> signs_;   // [n]
};

// U W V^T for [rows][columns] weights, U of `outputs` and V of `inputs`, and the way back.
void transform_matrix(std::vector<float>& weights, const RandomHadamard& outputs, const RandomHadamard& inputs,
                      int threads);
void transform_back(std::vector<float>& weights, const RandomHadamard& outputs, const RandomHadamard& inputs,
                    int threads);
// V H V^T.
void transform_hessian(Dense& hessian, const RandomHadamard& inputs, int threads);
// The factor of that for LDLQ over blocks of so many columns in their own order, damped by 0.01 of the mean diagonal.
// Errors: factorise()'s.
Result<FeedbackFactor> transformed_factor(const HessianView& hessian, const RandomHadamard& inputs, uint64_t block,
                                          int threads);

// A matrix between random transforms of both sides, as QuIP# and QTIP quantise it.
struct IncoherentMatrix {
  RandomHadamard outputs, inputs;
  std::vector<float> weights;            // [rows][columns], transformed
  double rms = 0;                        // of those
  std::optional<FeedbackFactor> factor;  // none without a Hessian
};
// `weights` [rows][columns]; `hessian` may be null; `block` as in transformed_factor(), whose errors are its.
Result<IncoherentMatrix> make_incoherent(std::vector<float> weights, uint64_t rows, uint64_t columns, uint64_t seed,
                                         const HessianView* hessian, uint64_t block, int threads);

}  // namespace nwc
