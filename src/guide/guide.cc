#include "guide/guide.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "guide/factoriser.h"

namespace nwc {
namespace {

constexpr double kMostGain =
    32.0;  // a column is quantised at most this much finer or coarser than the tensor on average

Result<std::vector<double>> sensitivity_of(const HessianView& hessian, const GuideOptions& options, int threads) {
  if (options.importance.sensitivity == Sensitivity::kInverse) {
    NWC_ASSIGN_OR_RETURN(std::vector<double> values,
                         inverse_diagonal(hessian.triangle, hessian.columns, options.ldl.damping, threads));
    for (double& v : values) v = 1 / v;
    return values;
  }
  std::vector<double> values(hessian.columns);
  for (uint64_t i = 0; i < hessian.columns; ++i) values[i] = hessian.triangle[i * (i + 1) / 2 + i];
  return values;
}

// Columns by rising cost of an error as large as their weights: the last are quantised first, when all others can still
// make up for them.
std::vector<uint32_t> order_of(const HessianView& hessian, std::span<const double> rms, bool sorted) {
  std::vector<uint32_t> order(hessian.columns);
  std::iota(order.begin(), order.end(), 0u);
  if (!sorted) return order;
  const auto cost = [&](uint32_t k) { return hessian.triangle[uint64_t{k} * (k + 1) / 2 + k] * rms[k] * rms[k]; };
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return cost(a) < cost(b); });
  return order;
}

// Column gains for steps that are all worth the same: the error D_k step_k^2 is then equal in all columns, which is
// optimal at high rate. A column's step in units of its root mean square may lie far from the tensor's; the codec's
// nearest level then takes most of the way, so that columns of one level have latents of one width and share their
// tables well.
void fill_evenly(const FeedbackFactor& factor, std::span<const double> rms, const LevelErrors& level_errors,
                 bool levels, std::vector<double>& gains, std::vector<uint8_t>& level_of_column) {
  std::vector<double> pivots(rms.size());  // by column
  for (uint64_t p = 0; p < rms.size(); ++p) pivots[factor.order[p]] = factor.pivots[p];
  double mean = 0;
  uint64_t counted = 0;
  for (uint64_t k = 0; k < rms.size(); ++k) {
    if (!(rms[k] > 0)) continue;
    mean += std::log(rms[k] * std::sqrt(pivots[k]));
    ++counted;
  }
  mean /= static_cast<double>(std::max<uint64_t>(1, counted));
  for (uint64_t k = 0; k < rms.size(); ++k) {
    double log_gain = rms[k] > 0 ? std::log(rms[k] * std::sqrt(pivots[k])) - mean : 0.0;
    log_gain = std::clamp(log_gain, -std::log(kMostGain), std::log(kMostGain));
    uint8_t best = 0;
    double left = log_gain;
    for (size_t l = 1; l < level_errors.size() && levels; ++l) {
      const double rest = log_gain - std::log(level_errors[0] / level_errors[l]);
      if (std::abs(rest) >= std::abs(left)) continue;
      best = static_cast<uint8_t>(l);
      left = rest;
    }
    gains.push_back(std::exp(left));
    if (levels) level_of_column.push_back(best);
  }
}

}  // namespace

std::string_view name_of(Feedback feedback) {
  switch (feedback) {
    case Feedback::kNone: return "none";
    case Feedback::kColumns: return "columns";
    case Feedback::kTwoSided: return "two-sided";
  }
  return "";
}

Status check_options(const GuideOptions& options) {
  if (!(options.row_shrinkage >= 0 && options.row_shrinkage <= 1))
    return Error(ErrorCode::kInvalidArgument, "shrinkage of the output side must lie between 0 and 1");
  if (options.feedback == Feedback::kTwoSided && options.steps != StepRule::kSensitivity) {
    return Error(ErrorCode::kInvalidArgument, "two-sided feedback goes with steps by sensitivity only")
        .remedy("choose --steps sensitivity, or --feedback columns");
  }
  NWC_RETURN_IF_ERROR(check_options(options.importance));
  return check_options(options.ldl);
}

Result<FeedbackFactor> factorise_with(const HessianView& hessian, std::span<const double> column_rms,
                                      const GuideOptions& options, int threads, Factoriser* device) {
  std::vector<uint32_t> order = order_of(hessian, column_rms, options.sort_columns);
  if (device != nullptr) return device->factorise(hessian.triangle, hessian.columns, std::move(order), options.ldl);
  return factorise(hessian.triangle, hessian.columns, std::move(order), options.ldl, threads);
}

Result<TensorGuide> make_guide(std::span<const HessianView> hessians, uint64_t matrices, uint64_t columns,
                               std::span<const double> column_rms, const LevelErrors& level_errors,
                               const GuideOptions& options, int threads, Factoriser* device) {
  TensorGuide guide;
  NWC_RETURN_IF_ERROR(check_options(options));
  if (options.importance.shares.size() >= level_errors.size() && options.levels && options.steps == StepRule::kLevels) {
    return Error(ErrorCode::kInvalidArgument,
                 "the codec has " + std::to_string(level_errors.size()) + " levels, too few for " +
                     std::to_string(options.importance.shares.size()) + " shares of finer columns");
  }
  const bool feedback = options.feedback != Feedback::kNone,
             factors = feedback || options.steps == StepRule::kWaterFill;
  std::shared_ptr<const FeedbackFactor> factor;
  for (uint64_t m = 0; m < matrices; ++m) {
    const HessianView& hessian = hessians[hessians.size() == 1 ? 0 : m];
    if (hessian.columns != columns) {
      return Error(ErrorCode::kMismatch, "has a Hessian of " + std::to_string(hessian.columns) +
                                             " inputs, the weight has " + std::to_string(columns))
          .remedy("calibrate this model");
    }
    if (factors && (m == 0 || hessians.size() > 1)) {
      NWC_ASSIGN_OR_RETURN(FeedbackFactor made,
                           factorise_with(hessian, column_rms.subspan(m * columns, columns), options, threads, device));
      factor = std::make_shared<const FeedbackFactor>(std::move(made));
    }
    if (feedback) guide.feedback.push_back(factor);
    if (options.steps == StepRule::kWaterFill) {
      fill_evenly(*factor, column_rms.subspan(m * columns, columns), level_errors, options.levels, guide.column_gains,
                  guide.levels);
    } else if (options.levels) {
      NWC_ASSIGN_OR_RETURN(const std::vector<double> sensitivity, sensitivity_of(hessian, options, threads));
      const std::vector<uint8_t> levels = importance_levels(sensitivity, options.importance);
      guide.levels.insert(guide.levels.end(), levels.begin(), levels.end());
    }
  }
  return guide;
}

}  // namespace nwc
