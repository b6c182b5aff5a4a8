// SVD-LLM (Wang et al. 2025a) and its version 2 (2025b): W becomes two factors of rank r, the singular value
// decomposition of W S truncated, where S whitens the inputs: H = S S^T. That is the least output error of that rank.
// S is the Hessian's Cholesky factor in version 1; U_s sqrt(D_s) of its eigenvalues in version 2, which also shares the
// rate out among the matrices of a type by their truncation losses L at the common rate (Algorithm 1): the share that
// is removed of matrix i is the common one times count / log(L_i) / sum_j 1 / log(L_j). A rate of B bits keeps B / 16
// of a matrix's numbers, in two factors of F16. With factor-bits=Q, as the papers combine it with GPTQ, the factors are
// on GPTQ's grids of Q bits and the rank is 16 / Q times higher.
#include "methods/svd_llm.h"

#include <cmath>
#include <map>
#include <mutex>

#include "base/half.h"
#include "methods/dense.h"
#include "methods/gptq.h"
#include "methods/input_groups.h"
#include "weights/tensor_name.h"

namespace nwc {
namespace {

uint64_t rank_of(uint64_t rows, uint64_t columns, double kept) {
  const double rank =
      std::floor(static_cast<double>(rows) * static_cast<double>(columns) * kept / static_cast<double>(rows + columns));
  return std::clamp<uint64_t>(static_cast<uint64_t>(std::max(0.0, rank)), 1, std::min(rows, columns));
}

std::string key_of(const MatrixTask& task) { return task.tensor.name + "/" + std::to_string(task.matrix); }

// S with H = S S^T, and S^-1.
struct Whitening {
  Dense s, inverse;
};

// As the authors do it: where H is not positive definite, its least eigenvalue and a little more is added.
Result<Whitening> by_cholesky(Dense h) {
  Result<Dense> lower = cholesky(h);
  if (!lower) {
    if (lower.error().code() != ErrorCode::kCorrupt) return lower.error();
    NWC_ASSIGN_OR_RETURN(const Eigen eigen, eigenvalues(h));
    const double more = -std::min(0.0, eigen.w.front()) + 1e-6 * std::max(1e-30, eigen.w.back());
    for (uint64_t k = 0; k < h.rows; ++k) h.at(k, k) += more;
    lower = cholesky(h);
    if (!lower) return lower.error();
  }
  NWC_ASSIGN_OR_RETURN(Dense inverse, inverse_of_lower(*lower));
  return Whitening{*std::move(lower), std::move(inverse)};
}

// Directions in which no input lies get nothing, and stay at what the other directions leave.
Result<Whitening> by_eigenvalues(const Dense& h) {
  NWC_ASSIGN_OR_RETURN(const Eigen eigen, eigenvalues(h));
  const uint64_t n = h.rows;
  const double least = 1e-12 * std::max(0.0, eigen.w.back());
  Whitening w{Dense::zeros(n, n), Dense::zeros(n, n)};
  for (uint64_t k = 0; k < n; ++k) {
    if (!(eigen.w[k] > least)) continue;
    const double root = std::sqrt(eigen.w[k]);
    for (uint64_t i = 0; i < n; ++i) {
      w.s.at(i, k) = eigen.v.at(i, k) * root;
      w.inverse.at(k, i) = eigen.v.at(i, k) / root;
    }
  }
  return w;
}

Status round_factor(Dense& factor, const Dense& h, const SvdOptions& wanted, int threads, double& bits) {
  GptqOptions options;
  options.grid.bits = wanted.factor_bits;
  options.group = wanted.group;
  NWC_ASSIGN_OR_RETURN(const QuantisedMatrix rounded,
                       gptq({factor.values.begin(), factor.values.end()}, factor.rows, h, options, threads));
  factor.values.assign(rounded.decoded.begin(), rounded.decoded.end());
  bits += rounded.bits;
  return {};
}

void round_to_half(Dense& factor) {
  for (double& v : factor.values) v = static_cast<double>(float_from_half(half_from_float(static_cast<float>(v))));
}

Result<QuantisedMatrix> truncate(const MatrixTask& task, const Whitening& whitening, const Dense& h,
                                 const SvdOptions& options, int threads) {
  const uint64_t m = task.rows, n = task.columns, rank = rank_of(m, n, options.kept);
  NWC_ASSIGN_OR_RETURN(const Dense ws, product(dense_of(task.weights, m, n), whitening.s));
  NWC_ASSIGN_OR_RETURN(const Svd svd, singular_values(ws));
  Dense left = Dense::zeros(m, rank), right = Dense::zeros(rank, n);
  for (uint64_t k = 0; k < rank; ++k) {
    const double root = std::sqrt(svd.s[k]);
    for (uint64_t i = 0; i < m; ++i) left.at(i, k) = svd.u.at(i, k) * root;
    for (uint64_t j = 0; j < n; ++j) right.at(k, j) = root * svd.vt.at(k, j);
  }
  NWC_ASSIGN_OR_RETURN(right, product(right, whitening.inverse));
  QuantisedMatrix made;
  if (options.factor_bits == 16) {
    made.bits = 16.0 * static_cast<double>(rank * (m + n));
    round_to_half(left);
    round_to_half(right);
  } else {
    // The right factor reads the layer's inputs, the left one what the right makes of them.
    NWC_RETURN_IF_ERROR(round_factor(right, h, options, threads, made.bits));
    NWC_ASSIGN_OR_RETURN(const Dense rh, product(right, h));
    NWC_ASSIGN_OR_RETURN(const Dense inner, product(rh, right, false, true));
    NWC_RETURN_IF_ERROR(round_factor(left, inner, options, threads, made.bits));
  }
  NWC_ASSIGN_OR_RETURN(const Dense decoded, product(left, right));
  made.decoded.assign(decoded.values.begin(), decoded.values.end());
  return made;
}

Result<Whitening> whitening_of(const Dense& h, unsigned version) {
  return version == 1 ? by_cholesky(h) : by_eigenvalues(h);
}

class SvdLlm final : public Method {
 public:
  explicit SvdLlm(const SvdOptions& options) : options_(options) {}
  bool needs_hessians() const override { return true; }

  Result<MethodTotals> run(const MethodModel& model, const std::filesystem::path& output,
                           const MethodContext& context) const override {
    std::map<std::string, double> kept;  // by matrix; those that are not there: options_.kept
    if (options_.version == 2) {
      NWC_ASSIGN_OR_RETURN(kept, allocate(model, context));
    }
    NWC_ASSIGN_OR_RETURN(MatrixCollector collector, MatrixCollector::create(model, output));
    NWC_RETURN_IF_ERROR(for_each_input_group(model, context, [&](const InputGroup& group) -> Status {
      const Dense h = full_hessian(*group.hessian);
      NWC_ASSIGN_OR_RETURN(const Whitening whitening, whitening_of(h, options_.version));
      for (const MatrixTask& task : group.matrices) {
        SvdOptions options = options_;
        if (const auto own = kept.find(key_of(task)); own != kept.end()) options.kept = own->second;
        NWC_ASSIGN_OR_RETURN(QuantisedMatrix made, truncate(task, whitening, h, options, group.threads));
        NWC_RETURN_IF_ERROR(collector.add(task, &*group.hessian, std::move(made)));
      }
      return {};
    }));
    return collector.finish();
  }

 private:
  // What each matrix may keep (version 2, Algorithm 1).
  Result<std::map<std::string, double>> allocate(const MethodModel& model, const MethodContext& context) const {
    std::mutex adding;
    std::map<std::string, std::map<std::string, double>> types;  // losses by type and matrix
    NWC_RETURN_IF_ERROR(for_each_input_group(model, context, [&](const InputGroup& group) -> Status {
      const Dense h = full_hessian(*group.hessian);
      NWC_ASSIGN_OR_RETURN(const std::vector<int64_t> tokens,
                           model.hessians()->tokens_of(*model.checkpoint().find(group.matrices[0].tensor.name).tensor));
      double seen = 0;
      for (const int64_t t : tokens) seen += static_cast<double>(t);
      for (const MatrixTask& task : group.matrices) {
        NWC_ASSIGN_OR_RETURN(const double loss, truncation_loss(task, h, seen));
        const std::lock_guard lock(adding);
        types[TensorName::parse(task.tensor.name).layer][key_of(task)] = loss;
      }
      return {};
    }));
    std::map<std::string, double> kept;
    for (const auto& [type, of_type] : types) {
      std::vector<double> losses;
      for (const auto& [matrix, loss] : of_type) losses.push_back(loss);
      const std::vector<double> shares = svd_llm_shares(losses, options_.kept);
      size_t i = 0;
      for (const auto& [matrix, loss] : of_type) kept[matrix] = shares[i++];
    }
    return kept;
  }

  // The norm of what rank_of() singular values leave of W S, over all tokens; at least e^(1/8), so that its logarithm
  // is a number to divide by. Singular values from the smaller of W H W^T and S^T W^T W S.
  Result<double> truncation_loss(const MatrixTask& task, const Dense& h, double tokens) const {
    const Dense w = dense_of(task.weights, task.rows, task.columns);
    Dense gram;
    if (task.rows <= task.columns) {
      NWC_ASSIGN_OR_RETURN(const Dense wh, product(w, h));
      NWC_ASSIGN_OR_RETURN(gram, product(wh, w, false, true));
    } else {
      NWC_ASSIGN_OR_RETURN(const Whitening whitening, by_cholesky(h));
      NWC_ASSIGN_OR_RETURN(const Dense ws, product(w, whitening.s));
      NWC_ASSIGN_OR_RETURN(gram, product(ws, ws, true, false));
    }
    NWC_ASSIGN_OR_RETURN(const Eigen eigen, eigenvalues(gram));
    const uint64_t rank = rank_of(task.rows, task.columns, options_.kept);
    double rest = 0;
    for (uint64_t k = 0; k + rank < eigen.w.size(); ++k) rest += std::max(0.0, eigen.w[k]);
    return std::max(std::exp(0.125), std::sqrt(rest * tokens));
  }

  SvdOptions options_;
};

}  // namespace

Result<QuantisedMatrix> svd_llm(const MatrixTask& task, const HessianView& hessian, const SvdOptions& options) {
  const Dense h = full_hessian(hessian);
  NWC_ASSIGN_OR_RETURN(const Whitening whitening, whitening_of(h, options.version));
  return truncate(task, whitening, h, options, 1);
}

std::vector<double> svd_llm_shares(const std::vector<double>& losses, double kept) {
  double sum = 0;
  for (const double loss : losses) sum += 1 / std::log(loss);
  std::vector<double> shares;
  for (const double loss : losses) {
    const double removed = (1 - kept) * static_cast<double>(losses.size()) / std::log(loss) / sum;
    shares.push_back(std::clamp(1 - removed, 0.0, 1.0));
  }
  return shares;
}

Result<std::unique_ptr<const Method>> make_svd_llm(MethodParameters& parameters, double bits) {
  SvdOptions options;
  NWC_ASSIGN_OR_RETURN(const uint64_t version, parameters.whole("version", 1, 1, 2));
  NWC_ASSIGN_OR_RETURN(const uint64_t factor_bits, parameters.whole("factor-bits", 16, 2, 16));
  NWC_ASSIGN_OR_RETURN(options.group, parameters.whole("group", 128, 0, 1u << 20));
  options.version = static_cast<unsigned>(version);
  options.factor_bits = static_cast<unsigned>(factor_bits);
  if (factor_bits > 8 && factor_bits != 16)
    return Error(ErrorCode::kInvalidArgument, "parameter factor-bits is 16, or 2 to 8");
  if (!(bits > 0 && bits <= 16)) return Error(ErrorCode::kUnsupported, "is defined for rates up to 16");
  options.kept = bits / static_cast<double>(factor_bits);
  return std::unique_ptr<const Method>(std::make_unique<SvdLlm>(options));
}

}  // namespace nwc
