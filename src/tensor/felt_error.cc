#include "tensor/felt_error.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/aligned.h"
#include "base/parallel.h"
#include "format/tiling.h"
#include "guide/sensitivity.h"
#include "quantise/feedback.h"
#include "quantise/feedback_kernel.h"
#include "tensor/context_choice.h"
#include "tensor/symbol_sample.h"
#include "tensor/tensor_setup.h"

namespace nwc {
namespace {

// Where calibration did not record it.
constexpr double kTokensPerEffective = 16;

// Of gradients so unequal that a few of the tokens tell most. `tokens`: all of them, by matrix.
double effective_tokens(const StoredFisher& fisher, std::span<const int64_t> tokens) {
  if (!fisher.effective.empty()) return std::accumulate(fisher.effective.begin(), fisher.effective.end(), 0.0);
  return std::accumulate(tokens.begin(), tokens.end(), 0.0) / kTokensPerEffective;
}

}  // namespace

void add_quadratic_forms(const float* x, uint64_t columns, std::span<const float> triangle, Isa isa,
                         std::span<double, kFormRows> forms) {
  for (uint64_t k = 0; k < columns; ++k) {
    const float* const row = triangle.data() + k * (k + 1) / 2;
    float products[kFormRows] = {};
    add_weighted_columns(x, kFormRows, row, 0, k, products, kFormRows, isa);
    for (uint64_t i = 0; i < kFormRows; ++i) {
      const double v = x[k * kFormRows + i];
      forms[i] += v * (2.0 * products[i] + static_cast<double>(row[k]) * v);
    }
  }
}

Result<std::optional<FeltError>> FeltError::of(const HessianStore& hessians, const TensorView& tensor,
                                               const WeightMatrix& weights) {
  NWC_ASSIGN_OR_RETURN(std::optional<StoredFisher> fisher, hessians.find_fisher(tensor));
  if (!fisher) return std::optional<FeltError>();
  NWC_ASSIGN_OR_RETURN(const std::vector<int64_t> tokens_of, hessians.tokens_of(tensor));
  NWC_ASSIGN_OR_RETURN(std::optional<StoredFisher> lookup, hessians.find_lookup(tensor));
  NWC_ASSIGN_OR_RETURN(const int64_t positions, hessians.positions_of(tensor));
  FeltError felt;
  felt.uses_.push_back(*std::move(fisher));
  if (lookup) felt.uses_.push_back(*std::move(lookup));
  bool any = false;
  for (StoredFisher& use : felt.uses_) {
    if (use.features != weights.columns || use.output_features != weights.rows || use.matrices != weights.matrices ||
        tokens_of.size() != weights.matrices) {
      return Error(ErrorCode::kMismatch, "has Fisher factors of another shape")
          .in_tensor(tensor.name)
          .remedy("calibrate this model");
    }
    if (hessians.is_end(tensor.name)) raise_rare_tokens(use, tokens_of);  // as their steps have it
    std::vector<double>& sums = felt.sums_.emplace_back();
    for (uint64_t m = 0; m < use.matrices; ++m) {
      const auto rows = std::span(use.rows).subspan(m * use.output_features, use.output_features);
      const double share = positions > 0 ? static_cast<double>(tokens_of[m]) / static_cast<double>(positions) : 1.0;
      const double sum = std::accumulate(rows.begin(), rows.end(), 0.0);
      sums.push_back(share > 0 ? sum / share : 0.0);
      any = any || sums.back() > 0;
    }
  }
  if (!any) return std::optional<FeltError>();
  const double tokens = effective_tokens(felt.uses_[0], tokens_of);
  if (tokens > 0) felt.inputs_per_token_ = static_cast<double>(weights.columns * weights.matrices) / tokens;
  return std::optional(std::move(felt));
}

double FeltError::of_rows(uint64_t matrix, uint64_t first, uint64_t count, const float* errors, Isa isa,
                          std::span<const double> pivots) const {
  double cost = 0;
  for (size_t u = 0; u < uses_.size(); ++u) {
    const StoredFisher& use = uses_[u];
    const double sum = sums_[u][matrix];
    if (!(sum > 0)) continue;
    const uint64_t triangle = use.features * (use.features + 1) / 2;
    double forms[kFormRows] = {};
    add_quadratic_forms(errors, use.features, std::span(use.inputs).subspan(matrix * triangle, triangle), isa, forms);
    for (uint64_t i = 0; i < count; ++i)
      cost += (pivots.empty() ? use.rows[matrix * use.output_features + first + i] : pivots[first + i]) / sum *
              forms[i] / 2;
  }
  return cost;
}

Result<double> sample_felt_error(const WeightMatrix& weights, const TensorGuide& guide, const Encoder& encoder,
                                 const EncodeOptions& options, const FeltError& felt, uint64_t parts, int threads) {
  threads = resolve_threads(threads);
  const DecoderCodec& codec = encoder.codec().parts();
  NWC_ASSIGN_OR_RETURN(const WeightScales scales, scales_of(weights, guide, options, threads, nullptr));
  const Tiling tiling(weights.matrices, weights.rows, weights.columns, codec.chunk_length(), options.tile_chunks,
                      guide.levels);
  NWC_ASSIGN_OR_RETURN(const ContextChoice choice, choose_contexts(weights, guide, encoder));
  const std::unique_ptr<const Quantiser> quantiser = make_quantiser(encoder, options);
  const EncodeJob job = EncodeJob::of(weights, scales, tiling, guide, encoder, *choice.contexts, *quantiser);
  const std::vector<StripeRange> ranges = stripes_to_sample(job, parts);
  std::vector<double> costs(ranges.size()), rows(ranges.size());
  const unsigned length = codec.chunk_length();
  NWC_RETURN_IF_ERROR(parallel_for(ranges.size(), threads, [&](size_t s, int) -> Status {
    const StripeRange& range = ranges[s];
    const uint64_t m = range.matrix;
    const FeedbackFactor* const factor = guide.feedback.empty() ? nullptr : guide.feedback[m].get();
    const QuantisedStripes quantised =
        quantise_stripes({weights, scales, job.levels_of_matrix(m), factor, *quantiser, choice.contexts.get()}, range);
    // Where rows below make up for errors, what is left of them has the weight of a pivot.
    const std::span<const double> pivots =
        guide.row_feedback.empty() ? std::span<const double>() : std::span(guide.row_feedback[m]->pivots);
    const uint64_t begin = range.first * length, end = std::min(weights.rows, begin + range.count * length);
    AlignedVector<float> errors(weights.columns * kFormRows);
    for (uint64_t first = begin; first < end; first += kFormRows) {
      const uint64_t count = std::min(kFormRows, end - first);
      std::fill(errors.begin(), errors.end(), 0.0f);
      for (uint64_t i = 0; i < count; ++i) {
        const uint64_t row = first + i, stripe = (row - begin) / length, c = (row - begin) % length;
        const float factor_of_row = scales.row_factor(m * weights.rows + row);
        for (uint64_t k = 0; k < weights.columns; ++k) {
          const auto symbol = static_cast<float>(quantised.symbols[(stripe * length + c) * weights.columns + k]);
          errors[k * kFormRows + i] = symbol * scales.columns[m * weights.columns + k] * factor_of_row -
                                      weights.at(weights.index_of(m, row, k));
        }
      }
      costs[s] += felt.of_rows(m, first, count, errors.data(), job.isa, pivots);
    }
    rows[s] = static_cast<double>(end - begin);
    return {};
  }));
  const double of_rows = std::accumulate(rows.begin(), rows.end(), 0.0);
  if (!(of_rows > 0)) return 0.0;
  return std::accumulate(costs.begin(), costs.end(), 0.0) / of_rows *
         static_cast<double>(weights.matrices * weights.rows);
}

}  // namespace nwc
