#include "guide/block_ldl.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/parallel.h"
#include "guide/cholesky.h"

namespace nwc {
namespace {

constexpr uint64_t kRowsTogether = 32;  // of a work item
constexpr uint32_t kMaxBlock = 128;

// From C with H = C C^T to L: rows below a block times the inverse of its diagonal block.
FeedbackFactor to_feedback(const std::vector<double>& c, uint64_t n, uint32_t block, int threads) {
  FeedbackFactor factor{.columns = n, .block_size = block, .pivots = std::vector<double>(n)};
  std::vector<float> coefficients(n * n);
  for (uint64_t k = 0; k < n; ++k) factor.pivots[k] = c[k * n + k] * c[k * n + k];
  parallel_for_or_throw((n + kRowsTogether - 1) / kRowsTogether, threads, [&](size_t item, int) {
    std::vector<double> x(block);
    for (uint64_t j = item * kRowsTogether; j < std::min(n, (item + 1) * kRowsTogether); ++j) {
      for (uint64_t first = 0; first + block <= j / block * block; first += block) {
        // x C_bb = c_j, from the last column of the block to the first.
        for (uint64_t k = block; k-- > 0;) {
          double sum = c[j * n + first + k];
          for (uint64_t l = k + 1; l < block; ++l) sum -= x[l] * c[(first + l) * n + first + k];
          x[k] = sum / c[(first + k) * n + first + k];
          coefficients[(first + k) * n + j] = static_cast<float>(x[k]);
        }
      }
    }
  });
  factor.coefficients = std::move(coefficients);
  return factor;
}

struct Factored {
  std::vector<double> c;  // [n, n], lower: H + damping = C C^T
  double damping = 0.0;
};

Result<Factored> damped_cholesky(std::span<const float> triangle, uint64_t n, std::span<const uint32_t> order,
                                 const LdlOptions& options, int threads) {
  NWC_ASSIGN_OR_RETURN(const double mean, checked_diagonal_mean(triangle, n, order, options));
  Factored factored{std::vector<double>(n * n), 0.0};
  std::vector<double>& a = factored.c;
  NWC_ASSIGN_OR_RETURN(factored.damping, damp_until(options.damping, [&](double damping) -> Result<bool> {
                         for (uint64_t i = 0; i < n; ++i) {
                           for (uint64_t j = 0; j <= i; ++j) {
                             const uint64_t row = std::max(order[i], order[j]), column = std::min(order[i], order[j]);
                             a[i * n + j] = triangle[row * (row + 1) / 2 + column];
                           }
                           a[i * n + i] += damping * mean;
                         }
                         return cholesky(a, n, threads, current_isa());
                       }));
  return factored;
}

}  // namespace

Status check_options(const LdlOptions& options) {
  if (options.block_size < 1 || options.block_size > kMaxBlock)
    return Error(ErrorCode::kInvalidArgument, "feedback blocks must have 1 to 128 columns");
  if (!(options.damping >= 0 && options.damping <= kMostDamping))
    return Error(ErrorCode::kInvalidArgument, "damping must lie between 0 and 1");
  return {};
}

Result<double> checked_diagonal_mean(std::span<const float> triangle, uint64_t n, std::span<const uint32_t> order,
                                     const LdlOptions& options) {
  NWC_RETURN_IF_ERROR(check_options(options));
  if (order.size() != n)
    return Error(ErrorCode::kInvalidArgument, "the order of columns has another length than the Hessian");
  if (triangle.size() != n * (n + 1) / 2) {
    return Error(ErrorCode::kInvalidArgument, "Hessian has " + std::to_string(triangle.size()) + " numbers, " +
                                                  std::to_string(n) + " columns need " +
                                                  std::to_string(n * (n + 1) / 2));
  }
  if (!std::all_of(triangle.begin(), triangle.end(), [](float v) { return std::isfinite(v); })) {
    return Error(ErrorCode::kNonFinite, "Hessian has entries that are not finite")
        .remedy("calibrate again, which stops where activations are not finite and names the tensor");
  }
  double mean = 0;
  for (uint64_t i = 0; i < n; ++i) mean += triangle[i * (i + 1) / 2 + i];
  mean /= static_cast<double>(std::max<uint64_t>(1, n));
  return mean > 0 ? mean : 1.0;  // nothing was ever seen: all columns are alike
}

Error not_positive_definite() {
  return Error(ErrorCode::kCorrupt, "Hessian is not positive definite, whatever the damping")
      .remedy("calibrate again, with more text");
}

Result<FeedbackFactor> factorise(std::span<const float> triangle, uint64_t n, std::vector<uint32_t> order,
                                 const LdlOptions& options, int threads) {
  NWC_ASSIGN_OR_RETURN(const Factored factored, damped_cholesky(triangle, n, order, options, threads));
  FeedbackFactor factor = to_feedback(factored.c, n, options.block_size, threads);
  factor.order = std::move(order);
  factor.damping = factored.damping;
  return factor;
}

Result<std::vector<double>> inverse_diagonal(std::span<const float> triangle, uint64_t n, double damping, int threads) {
  std::vector<uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  NWC_ASSIGN_OR_RETURN(const Factored factored, damped_cholesky(triangle, n, order, {.damping = damping}, threads));
  const std::vector<double>& c = factored.c;
  std::vector<double> diagonal(n);
  NWC_RETURN_IF_ERROR(parallel_for(n, threads, [&](size_t k, int) -> Status {
    // Column k of C^-1; H^-1 = C^-T C^-1.
    std::vector<double> x(n - k);
    for (uint64_t i = k; i < n; ++i) {
      double sum = i == k ? 1.0 : 0.0;
      for (uint64_t j = k; j < i; ++j) sum -= c[i * n + j] * x[j - k];
      x[i - k] = sum / c[i * n + i];
      diagonal[k] += x[i - k] * x[i - k];
    }
    return {};
  }));
  return diagonal;
}

}  // namespace nwc
