#include "encode/normalisation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/parallel.h"
#include "encode/device.h"

namespace nwc {
namespace {

constexpr uint64_t kColumnsTogether = 256, kRowsTogether = 64;  // a work item: one matrix, this many columns or rows
constexpr double kLargestScale = std::numeric_limits<float>::max();
// Turns of kBoth. Each at least halves what is left of the imbalance on the matrices that we have met; more changes no bit rate.
constexpr int kTurns = 4;

Error overflow(const WeightMatrix& w) { return Error(ErrorCode::kInternal, "sum of squares overflows").in_tensor(w.name); }

// The first weight of columns [begin, end) that is not finite, by rows.
Status check_finite(const WeightMatrix& w, uint64_t matrix, uint64_t begin, uint64_t end) {
  for (uint64_t r = 0; r < w.rows; ++r) {
    for (uint64_t c = begin; c < end; ++c) {
      const float v = w.at(w.index_of(matrix, r, c));
      if (std::isfinite(v)) continue;
      return Error(ErrorCode::kNonFinite, "weight [" + std::to_string(r) + ", " + std::to_string(c) + "] is " + (std::isnan(v) ? "NaN" : "infinite"))
          .in_tensor(w.name)
          .remedy("repair the checkpoint, or store such tensors uncompressed with --keep-nonfinite");
    }
  }
  return overflow(w);
}

double inverse(double factor) { return factor > 0 ? 1 / factor : 0.0; }

// Either of the two below, from a device's sums: `each` numbers for a matrix, of `summed` weights each.
Result<std::vector<double>> device_rms(const WeightMatrix& w, std::span<const double> divisors, uint64_t each, uint64_t summed,
                                       Result<std::vector<double>> (DeviceWeights::*squares)(std::span<const double>) const) {
  std::vector<double> scales(divisors.size());
  std::transform(divisors.begin(), divisors.end(), scales.begin(), inverse);
  NWC_ASSIGN_OR_RETURN(std::vector<double> rms, ((*w.on_device).*squares)(scales));
  for (size_t i = 0; i < rms.size(); ++i) {
    if (!std::isfinite(rms[i])) return check_finite(w, i / each, 0, w.columns).error();
    if (summed > 0) rms[i] = std::sqrt(rms[i] / static_cast<double>(summed));
  }
  return rms;
}

// Root mean squares of the columns after division by row factors (none: 1). Sums run in ascending order of rows.
Result<std::vector<double>> column_rms(const WeightMatrix& w, std::span<const double> row_factors, int threads) {
  if (w.on_device != nullptr) return device_rms(w, row_factors, w.columns, w.rows, &DeviceWeights::squares_of_columns);
  const uint64_t blocks = (w.columns + kColumnsTogether - 1) / kColumnsTogether;
  std::vector<double> rms(w.matrices * w.columns, 0.0);
  NWC_RETURN_IF_ERROR(parallel_for(w.matrices * blocks, threads, [&](size_t item, int) -> Status {
    const uint64_t matrix = item / blocks, begin = item % blocks * kColumnsTogether, end = std::min(w.columns, begin + kColumnsTogether);
    double* const sums = rms.data() + matrix * w.columns + begin;
    for (uint64_t r = 0; r < w.rows; ++r) {
      const double scale = row_factors.empty() ? 1.0 : inverse(row_factors[matrix * w.rows + r]);
      for (uint64_t c = begin; c < end; ++c) {
        const double v = w.at(w.index_of(matrix, r, c)) * scale;
        sums[c - begin] += v * v;
      }
    }
    if (!std::all_of(sums, sums + (end - begin), [](double s) { return std::isfinite(s); })) return check_finite(w, matrix, begin, end);
    for (uint64_t c = 0; c < end - begin && w.rows > 0; ++c) sums[c] = std::sqrt(sums[c] / static_cast<double>(w.rows));
    return {};
  }));
  return rms;
}

// The same of the rows after division by column scales.
Result<std::vector<double>> row_rms(const WeightMatrix& w, std::span<const double> column_scales, int threads) {
  if (w.on_device != nullptr) return device_rms(w, column_scales, w.rows, w.columns, &DeviceWeights::squares_of_rows);
  const uint64_t blocks = (w.rows + kRowsTogether - 1) / kRowsTogether;
  std::vector<double> rms(w.matrices * w.rows, 0.0);
  NWC_RETURN_IF_ERROR(parallel_for(w.matrices * blocks, threads, [&](size_t item, int) -> Status {
    const uint64_t matrix = item / blocks, begin = item % blocks * kRowsTogether, end = std::min(w.rows, begin + kRowsTogether);
    double* const sums = rms.data() + matrix * w.rows + begin;
    for (uint64_t c = 0; c < w.columns; ++c) {
      const double scale = column_scales.empty() ? 1.0 : inverse(column_scales[matrix * w.columns + c]);
      for (uint64_t r = begin; r < end; ++r) {
        const double v = w.at(w.index_of(matrix, r, c)) * scale;
        sums[r - begin] += v * v;
      }
    }
    if (!std::all_of(sums, sums + (end - begin), [](double s) { return std::isfinite(s); })) return check_finite(w, matrix, 0, w.columns);
    for (uint64_t r = 0; r < end - begin && w.columns > 0; ++r) sums[r] = std::sqrt(sums[r] / static_cast<double>(w.columns));
    return {};
  }));
  return rms;
}

double rms_of(std::span<const double> values) {
  double sum = 0;
  for (const double v : values) sum += v * v;
  return values.empty() ? 0.0 : std::sqrt(sum / static_cast<double>(values.size()));
}

// binary16; nothing that is there becomes 0.
uint16_t stored_form(double value) {
  const uint16_t half = half_from_float(static_cast<float>(value));
  return half == 0 && value > 0 ? 1 : half;
}

// Row factors of a matrix with root mean square 1, as they will be stored. One scale serves all matrices of a batch, so that a matrix of
// small weights has small factors.
std::vector<double> stored_factors(std::vector<double> rms) {
  const double mean = rms_of(rms);
  for (double& factor : rms) {
    // A factor beyond binary16 would be infinite; there are at least 65504^2 rows then.
    factor = mean > 0 ? float_from_half(stored_form(std::min(65504.0, factor / mean))) : 0.0;
  }
  return rms;
}

bool by_column(Normalisation kind) { return kind == Normalisation::kColumn || kind == Normalisation::kBoth; }
bool by_row(Normalisation kind) { return kind == Normalisation::kRow || kind == Normalisation::kBoth; }

}  // namespace

std::string_view name_of(Normalisation normalisation) {
  switch (normalisation) {
    case Normalisation::kColumn: return "column";
    case Normalisation::kRow: return "row";
    case Normalisation::kBoth: return "both";
    case Normalisation::kTensor: return "tensor";
    case Normalisation::kModel: break;
  }
  return "model";
}

uint64_t stored_scales(const WeightMatrix& w, Normalisation kind) {
  return (by_column(kind) ? w.matrices * w.columns : 1) + (by_row(kind) ? w.matrices * w.rows : 0);
}

Result<WeightScales> weight_scales(const WeightMatrix& w, const NormalisationOptions& options, std::span<const double> column_gains, int threads) {
  WeightScales scales;
  scales.one_scale = !by_column(options.kind);
  std::vector<double> columns, factors;
  NWC_ASSIGN_OR_RETURN(columns, column_rms(w, {}, threads));  // refuses what is not finite
  if (by_row(options.kind)) {
    for (int turn = 0; turn < (scales.one_scale ? 1 : kTurns); ++turn) {
      NWC_ASSIGN_OR_RETURN(factors, row_rms(w, scales.one_scale ? std::span<const double>() : std::span<const double>(columns), threads));
      factors = stored_factors(std::move(factors));
      NWC_ASSIGN_OR_RETURN(columns, column_rms(w, factors, threads));
    }
  }
  if (scales.one_scale) columns = {options.kind == Normalisation::kModel ? options.model_rms : rms_of(columns)};
  for (size_t c = 0; c < columns.size() && !scales.one_scale && !column_gains.empty(); ++c) columns[c] /= column_gains[c];
  for (double& scale : columns) scale = std::min(kLargestScale, scale / options.gain);
  const double largest = columns.empty() ? 0.0 : *std::max_element(columns.begin(), columns.end());
  // The largest mantissa is just below binary16's largest number: columns may be 2^-39 times smaller before theirs is lost.
  if (largest > 0) scales.exponent = static_cast<int16_t>(std::ilogb(largest) - 15);
  for (const double value : columns) {
    const uint16_t mantissa = stored_form(std::ldexp(value, -scales.exponent));
    scales.stored.push_back(mantissa);
    scales.columns.push_back(static_cast<float>(std::ldexp(static_cast<double>(float_from_half(mantissa)), scales.exponent)));
  }
  if (scales.one_scale) scales.columns.assign(w.matrices * w.columns, scales.columns[0]);
  for (const double factor : factors) {
    scales.stored.push_back(half_from_float(static_cast<float>(factor)));
    scales.rows.push_back(static_cast<float>(factor));
  }
  return scales;
}

Result<double> sum_of_squares(const WeightMatrix& w, int threads) {
  NWC_ASSIGN_OR_RETURN(const std::vector<double> rms, column_rms(w, {}, threads));
  double sum = 0;
  for (const double v : rms) sum += v * v * static_cast<double>(w.rows);
  return sum;
}

}  // namespace nwc
