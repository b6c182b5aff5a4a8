#include "guide/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "guide/factoriser.h"
#include "guide/output_side.h"
#include "weights/normalisation.h"

namespace nwc {
namespace {

constexpr double kLeastShare = 0x1p-10;      // of the mean: of a column's sensitivity
constexpr double kLeastOfMatrices = 0x1p-2;  // of the mean of a tensor's matrices: of one of them
constexpr int kOfNone = 24;                  // quarter octaves below one step: the spread of zeros
constexpr double kUnknownSteps = 2;          // of a column's spread, where nothing is known of a tensor
constexpr size_t kFewZeros = 100;            // one row of so many may be 0 in a head, where probabilities vanish

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Not below a share of the mean.
void raise_to_floor(std::span<double> values, double least) {
  const double floor = least * mean_of(values);
  for (double& v : values) v = std::max(v, floor);
}

// The same for the matrices of a tensor, each of which has `columns` values: a matrix that nothing is known of has the
// floor in all of its columns.
void raise_matrices(std::span<double> values, size_t columns) {
  const double floor = kLeastOfMatrices * mean_of(values);
  for (size_t begin = 0; begin < values.size(); begin += columns) {
    const std::span<double> own = values.subspan(begin, columns);
    const double own_mean = mean_of(own);
    if (own_mean >= floor) continue;
    for (double& v : own) v = own_mean > 0 ? v * (floor / own_mean) : floor;
  }
}

// D_j by column, times the share of positions.
std::vector<double> column_sensitivities(const FeedbackFactor& factor, double share) {
  std::vector<double> by_column(factor.columns);
  for (uint64_t p = 0; p < factor.columns; ++p) by_column[factor.order[p]] = share * factor.pivots[p];
  raise_to_floor(by_column, kLeastShare);
  return by_column;
}

// The root mean square of each column in steps, at c = 1.
Result<std::vector<double>> spreads_of(const WeightMatrix& weights, const TensorGuide& guide, int threads) {
  NWC_ASSIGN_OR_RETURN(std::vector<double> spreads, column_rms(weights, guide.row_factors, threads));
  for (size_t j = 0; j < spreads.size(); ++j) spreads[j] /= guide.column_steps[j];
  return spreads;
}

int16_t rounded(double value, int least, int most) {
  return static_cast<int16_t>(std::clamp(std::nearbyint(value), static_cast<double>(least), static_cast<double>(most)));
}

// Steps as line scales have them: eighths of an octave. Replaces them by what they are then.
std::vector<int16_t> round_steps(std::vector<double>& steps) {
  std::vector<int16_t> numbers;
  for (double& step : steps) {
    numbers.push_back(
        step > 0 ? rounded(kStepsPerOctave * std::log2(step), -kLargestLineNumber / 2, kLargestLineNumber / 2) : 0);
    step = line_scale(1.0f, numbers.back());
  }
  return numbers;
}

// A line's number whose class is the spread in quarter octaves, and `of_one` for a spread of one step. Lines of zeros
// get `of_none`.
int16_t spread_number(double spread, int of_one, int of_none, int step) {
  const int line =
      spread > 0 ? rounded(kSpreadsPerOctave * std::log2(spread) + of_one, -kPlainContexts, kPlainContexts) : of_none;
  return static_cast<int16_t>(line + (step >> 1));
}

// Columns have the classes of their spread in steps, rows those of theirs beside the matrix's.
Status add_lines(const WeightMatrix& weights, int threads, TensorGuide& guide) {
  LineScales lines;
  lines.column_steps = round_steps(guide.column_steps);
  lines.row_steps = round_steps(guide.row_factors);
  NWC_ASSIGN_OR_RETURN(const std::vector<double> columns, spreads_of(weights, guide, threads));
  NWC_ASSIGN_OR_RETURN(std::vector<double> rows, row_rms(weights, guide.column_steps, threads));
  for (size_t i = 0; i < rows.size(); ++i) rows[i] /= guide.row_factors[i];
  for (uint64_t m = 0; m < weights.matrices; ++m) {
    double square = 0;
    for (uint64_t j = 0; j < weights.columns; ++j) {
      const double c = columns[m * weights.columns + j];
      square += c * c / static_cast<double>(weights.columns);
    }
    const double spread = std::sqrt(square);
    for (uint64_t j = m * weights.columns; j < (m + 1) * weights.columns; ++j)
      lines.column_spreads.push_back(
          spread_number(columns[j], kCentreContext, kCentreContext - kOfNone, lines.column_steps[j]));
    for (uint64_t i = m * weights.rows; i < (m + 1) * weights.rows; ++i)
      lines.row_spreads.push_back(spread_number(spread > 0 ? rows[i] / spread : 0, 0, -kOfNone, lines.row_steps[i]));
  }
  guide.lines = std::move(lines);
  return {};
}

}  // namespace

double least_token(std::span<const float> rows, int64_t tokens) {
  const auto seen = static_cast<size_t>(std::count_if(rows.begin(), rows.end(), [](float r) { return r > 0; }));
  if (tokens <= 0 || rows.size() - seen <= rows.size() / kFewZeros) return kLeastToken;
  const double share = std::sqrt(static_cast<double>(seen) / static_cast<double>(tokens));
  return std::clamp(share, kLeastToken, 1.0);
}

void raise_rare_tokens(StoredFisher& use, std::span<const int64_t> tokens) {
  for (uint64_t m = 0; m < use.matrices; ++m) {
    const auto rows = std::span(use.rows).subspan(m * use.output_features, use.output_features);
    const double sum = std::accumulate(rows.begin(), rows.end(), 0.0);
    if (!(sum > 0)) continue;
    const auto least = static_cast<float>(least_token(rows, tokens[m]) * sum / static_cast<double>(rows.size()));
    for (float& r : rows) r = std::max(r, least);
    const double more = std::accumulate(rows.begin(), rows.end(), 0.0) / sum;
    const uint64_t triangle = use.features * (use.features + 1) / 2;
    for (float& g : std::span(use.inputs).subspan(m * triangle, triangle)) g = static_cast<float>(g * more);
  }
}

StoredFisher both_uses(const StoredFisher& head, const StoredFisher& lookup) {
  StoredFisher both = head;
  // Of the inputs: how much of all a use's errors cost, were rows alike.
  const auto weight_of = [](const StoredFisher& use) {
    double trace = 0, rows = 0;
    for (uint64_t i = 0, at = 0; i < use.features; at += ++i + 1) trace += use.inputs[at];
    for (const float r : use.rows) rows += r;
    return rows > 0 ? trace / rows : 0.0;
  };
  const double of_head = weight_of(head), of_lookup = weight_of(lookup);
  for (size_t i = 0; i < both.inputs.size(); ++i) both.inputs[i] += lookup.inputs[i];
  for (size_t v = 0; v < both.rows.size(); ++v)
    both.rows[v] = static_cast<float>(of_head * head.rows[v] + of_lookup * lookup.rows[v]);
  return both;
}

Result<TensorGuide> make_sensitivity_guide(const StoredFisher& fisher, const LayerUse& use, const WeightMatrix& weights,
                                           const GuideOptions& options, int threads, Factoriser* device) {
  if (fisher.features != weights.columns || fisher.output_features != weights.rows ||
      fisher.matrices != weights.matrices || use.tokens.size() != weights.matrices) {
    return Error(ErrorCode::kMismatch, "has Fisher factors of another shape").remedy("calibrate this model");
  }
  TensorGuide guide;
  NWC_ASSIGN_OR_RETURN(const std::vector<double> rms, column_rms(weights, {}, threads));
  const uint64_t triangle = fisher.features * (fisher.features + 1) / 2;
  std::vector<double> felt;  // D_j, times the share of positions, of all matrices
  for (uint64_t m = 0; m < weights.matrices; ++m) {
    const HessianView view{std::span(fisher.inputs).subspan(m * triangle, triangle), fisher.features};
    const std::span<const double> own_rms = std::span(rms).subspan(m * weights.columns, weights.columns);
    NWC_ASSIGN_OR_RETURN(FeedbackFactor factor, factorise_with(view, own_rms, options, threads, device));
    const double share =
        use.positions > 0 ? static_cast<double>(use.tokens[m]) / static_cast<double>(use.positions) : 1.0;
    const std::vector<double> columns = column_sensitivities(factor, share);
    felt.insert(felt.end(), columns.begin(), columns.end());
    std::vector<double> rows(weights.rows);
    for (uint64_t i = 0; i < weights.rows; ++i) rows[i] = fisher.rows[m * weights.rows + i];
    const double mean = mean_of(rows);
    if (options.feedback == Feedback::kTwoSided && !fisher.outputs.empty()) {
      const uint64_t size = weights.rows * (weights.rows + 1) / 2;
      const double shrinkage = std::max(options.row_shrinkage, shrinkage_of_few(weights.rows, use.tokens[m]));
      NWC_ASSIGN_OR_RETURN(FeedbackFactor along_rows,
                           factorise_output_side(std::span(fisher.outputs).subspan(m * size, size), weights.rows,
                                                 shrinkage, options.ldl, threads, device));
      rows = along_rows.pivots;
      guide.row_feedback.push_back(std::make_shared<const FeedbackFactor>(std::move(along_rows)));
    }
    raise_to_floor(rows, use.least_row);
    for (const double r : rows) guide.row_factors.push_back(mean > 0 ? std::sqrt(mean / r) : 1.0);
    if (options.feedback != Feedback::kNone)
      guide.feedback.push_back(std::make_shared<const FeedbackFactor>(std::move(factor)));
  }
  if (!(mean_of(felt) > 0)) {
    guide.row_factors.assign(weights.matrices * weights.rows, 1.0);
    return guide;
  }
  raise_matrices(felt, weights.columns);
  // s_ij = D_j r_i / sum r = (D_j / rows) (r_i / mean r)
  for (const double d : felt) guide.column_steps.push_back(std::sqrt(static_cast<double>(weights.rows) / d));
  return guide;
}

Status settle_steps(const WeightMatrix& weights, double centre, int threads, TensorGuide& guide) {
  double factor = std::exp2(centre);
  if (guide.column_steps.empty()) {
    NWC_ASSIGN_OR_RETURN(guide.column_steps, column_rms(weights, {}, threads));
    factor = kUnknownSteps;
  }
  for (double& step : guide.column_steps) step *= factor;
  return add_lines(weights, threads, guide);
}

Result<SpreadSum> sum_of_spreads(const WeightMatrix& weights, const TensorGuide& guide, int threads) {
  if (guide.column_steps.empty()) return SpreadSum{};
  NWC_ASSIGN_OR_RETURN(const std::vector<double> spreads, spreads_of(weights, guide, threads));
  SpreadSum sum;
  for (const double spread : spreads) {
    if (!(spread > 0)) continue;
    sum.log2_spread += std::log2(spread) * static_cast<double>(weights.rows);
    sum.weights += static_cast<double>(weights.rows);
  }
  return sum;
}

}  // namespace nwc
