// GPTQ (Frantar et al. 2023, Algorithm 1): columns are rounded one after another, and each error is made up for by the
// columns still to come, by the Cholesky factor of the inverse Hessian. Options of its implementations: act-order
// (columns by falling diagonal of the Hessian), groups with grids of their own, which are fitted when their first
// column's turn comes or, with static groups, to the original weights; damping as a share of the mean diagonal.
#include "methods/gptq.h"

#include <cmath>
#include <numeric>

#include "base/parallel.h"
#include "methods/dense.h"
#include "methods/input_groups.h"

namespace nwc {
namespace {

constexpr uint64_t kBlock = 128;  // columns whose errors are passed on to later columns together; the authors' value
constexpr uint64_t kRowsTogether = 64;

// Columns by falling diagonal, ties to the lower column.
std::vector<uint64_t> order_of(const Dense& h, bool act_order) {
  std::vector<uint64_t> order(h.rows);
  std::iota(order.begin(), order.end(), uint64_t{0});
  if (act_order) {
    std::stable_sort(order.begin(), order.end(), [&](uint64_t a, uint64_t b) { return h.at(a, a) > h.at(b, b); });
  }
  return order;
}

// U of H^-1 = U^T U, upper triangular, H damped and its columns in `order`.
Result<std::vector<float>> upper_factor(const Dense& h, const std::vector<uint64_t>& order, double damping) {
  const uint64_t n = h.rows;
  double mean = 0;
  for (uint64_t k = 0; k < n; ++k) mean += h.at(k, k) / static_cast<double>(n);
  for (double share = damping; share <= 1.0; share = std::max(1e-6, share * 10)) {
    Dense ordered = Dense::zeros(n, n);
    for (uint64_t i = 0; i < n; ++i) {
      for (uint64_t j = 0; j < n; ++j) ordered.at(i, j) = h.at(order[i], order[j]);
      ordered.at(i, i) += share * mean;
    }
    const Result<Dense> lower = cholesky(ordered);
    if (!lower && lower.error().code() == ErrorCode::kCorrupt) continue;
    if (!lower) return lower.error();
    NWC_ASSIGN_OR_RETURN(const Dense inverse, inverse_from_cholesky(*lower));
    const Result<Dense> factor = cholesky(inverse);
    if (!factor && factor.error().code() == ErrorCode::kCorrupt) continue;
    if (!factor) return factor.error();
    std::vector<float> upper(n * n);
    for (uint64_t i = 0; i < n; ++i) {
      for (uint64_t j = i; j < n; ++j) upper[i * n + j] = static_cast<float>(factor->at(j, i));
    }
    return upper;
  }
  return Error(ErrorCode::kCorrupt, "has a Hessian that no damping makes positive definite");
}

class GptqPass {
 public:
  GptqPass(const GptqOptions& options, uint64_t columns, const std::vector<float>& weights,
           const std::vector<uint64_t>& order, const std::vector<float>& upper, std::vector<float>& decoded)
      : options_(options), n_(columns), weights_(weights), order_(order), upper_(upper), decoded_(decoded) {}

  // Rows do not see each other.
  void run(uint64_t first, uint64_t rows) {
    std::vector<float> w(n_ * rows);  // [position][row]
    for (uint64_t p = 0; p < n_; ++p) {
      for (uint64_t r = 0; r < rows; ++r) w[p * rows + r] = weights_[(first + r) * n_ + order_[p]];
    }
    const uint64_t width = group_width(options_.group, n_), groups = groups_in(options_.group, n_);
    std::vector<IntegerGrid> grids(rows * groups);
    if (options_.static_groups) {
      for (uint64_t r = 0; r < rows; ++r) {
        for (uint64_t g = 0; g < groups; ++g) {
          grids[r * groups + g] = grid_of(weights_.data() + (first + r) * n_ + g * width,
                                          std::min(width, n_ - g * width), 1, options_.grid);
        }
      }
    }
    std::vector<float> errors(kBlock * rows), block;
    for (uint64_t begin = 0; begin < n_; begin += kBlock) {
      const uint64_t end = std::min(n_, begin + kBlock);
      // What the block's own columns pass on stands here until the block is done, so that grids are fitted, as the
      // authors' are, to weights that have heard of earlier blocks only.
      block.assign(w.begin() + static_cast<std::ptrdiff_t>(begin * rows),
                   w.begin() + static_cast<std::ptrdiff_t>(end * rows));
      for (uint64_t p = begin; p < end; ++p) {
        if (!options_.static_groups && p % width == 0) {
          for (uint64_t r = 0; r < rows; ++r) {
            grids[r * groups + p / width] =
                grid_of(w.data() + p * rows + r, std::min(width, n_ - p), rows, options_.grid);
          }
        }
        const uint64_t group = (options_.static_groups ? order_[p] : p) / width;
        const float* const factor = upper_.data() + p * n_;
        float* const column = block.data() + (p - begin) * rows;
        float* const error = errors.data() + (p - begin) * rows;
        for (uint64_t r = 0; r < rows; ++r) {
          const float rounded = grids[r * groups + group].round(column[r]);
          decoded_[(first + r) * n_ + order_[p]] = rounded;
          error[r] = (column[r] - rounded) / factor[p];
        }
        for (uint64_t later = p + 1; later < end; ++later)
          subtract(block.data() + (later - begin) * rows, error, factor[later], rows);
      }
      for (uint64_t later = end; later < n_; ++later) {
        for (uint64_t p = begin; p < end; ++p)
          subtract(w.data() + later * rows, errors.data() + (p - begin) * rows, upper_[p * n_ + later], rows);
      }
    }
  }

 private:
  static void subtract(float* __restrict to, const float* __restrict error, float factor, uint64_t rows) {
    for (uint64_t r = 0; r < rows; ++r) to[r] -= factor * error[r];
  }

  const GptqOptions& options_;
  const uint64_t n_;
  const std::vector<float>& weights_;
  const std::vector<uint64_t>& order_;
  const std::vector<float>& upper_;
  std::vector<float>& decoded_;
};

class Gptq final : public MatrixMethod {
 public:
  explicit Gptq(const GptqOptions& options) : options_(options) {}
  bool needs_hessians() const override { return true; }
  Result<QuantisedMatrix> quantise_matrix(const MatrixTask& task, const HessianView* hessian,
                                          int threads) const override {
    return gptq(task.weights, task.rows, full_hessian(*hessian), options_, threads);
  }

 private:
  GptqOptions options_;
};

}  // namespace

Result<QuantisedMatrix> gptq(const std::vector<float>& weights, uint64_t rows, Dense hessian,
                             const GptqOptions& options, int threads) {
  const uint64_t n = hessian.rows;
  std::vector<float> kept = weights;
  for (uint64_t k = 0; k < n; ++k) {  // inputs that are always 0
    if (hessian.at(k, k) > 0) continue;
    hessian.at(k, k) = 1;
    for (uint64_t r = 0; r < rows; ++r) kept[r * n + k] = 0;
  }
  const std::vector<uint64_t> order = order_of(hessian, options.act_order);
  NWC_ASSIGN_OR_RETURN(const std::vector<float> upper, upper_factor(hessian, order, options.damping));
  QuantisedMatrix matrix{std::vector<float>(weights.size()), grid_bits(rows, n, options.group, options.grid)};
  // Groups of columns that do not stand together: which group each column belongs to.
  if (options.act_order && !options.static_groups && options.group > 0 && options.group < n)
    matrix.bits += static_cast<double>(n) * std::ceil(std::log2(static_cast<double>(groups_in(options.group, n))));
  const uint64_t pieces = (rows + kRowsTogether - 1) / kRowsTogether;
  parallel_for_or_throw(pieces, threads, [&](size_t piece, int) {
    const uint64_t first = piece * kRowsTogether;
    GptqPass(options, n, kept, order, upper, matrix.decoded).run(first, std::min(kRowsTogether, rows - first));
  });
  return matrix;
}

Result<std::unique_ptr<const Method>> make_gptq(MethodParameters& parameters, double bits) {
  GptqOptions options;
  NWC_ASSIGN_OR_RETURN(options.group, parameters.whole("group", 128, 0, 1u << 20));
  NWC_ASSIGN_OR_RETURN(options.act_order, parameters.flag("act-order", true));
  NWC_ASSIGN_OR_RETURN(options.static_groups, parameters.flag("static", true));
  NWC_ASSIGN_OR_RETURN(options.grid.symmetric, parameters.flag("symmetric", false));
  NWC_ASSIGN_OR_RETURN(options.damping, parameters.real("damping", 0.01, 0, 1));
  NWC_ASSIGN_OR_RETURN(options.grid.bits, whole_bits(bits, 1, 8));
  return std::unique_ptr<const Method>(std::make_unique<Gptq>(options));
}

}  // namespace nwc
