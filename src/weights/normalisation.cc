#include "weights/normalisation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/parallel.h"
#include "weights/device_weights.h"
#include "weights/square_sums.h"

namespace nwc {
namespace {

constexpr uint64_t kLinesTogether = 512;  // a work item: this many columns or rows of a matrix that lie side by side
constexpr uint64_t kTurnedLines = 64,
                   kPlacesTogether = 64;  // and where they lie one after another: turned by tiles of this size
constexpr double kLargestScale = std::numeric_limits<float>::max();
// Turns of kBoth. Each at least halves what is left of the imbalance on the matrices that we have met; more changes no
// bit rate.
constexpr int kTurns = 4;

Error overflow(const WeightMatrix& w) {
  return Error(ErrorCode::kInternal, "sum of squares overflows").in_tensor(w.name);
}

// The first weight of a matrix that is not finite, by rows.
Status check_finite(const WeightMatrix& w, uint64_t matrix) {
  for (uint64_t r = 0; r < w.rows; ++r) {
    for (uint64_t c = 0; c < w.columns; ++c) {
      const float v = w.at(w.index_of(matrix, r, c));
      if (std::isfinite(v)) continue;
      return Error(ErrorCode::kNonFinite, "weight [" + std::to_string(r) + ", " + std::to_string(c) + "] is " +
                                              (std::isnan(v) ? "NaN" : "infinite"))
          .in_tensor(w.name)
          .remedy("repair the checkpoint, or store such tensors uncompressed with --keep-nonfinite");
    }
  }
  return overflow(w);
}

double inverse(double factor) { return factor > 0 ? 1 / factor : 0.0; }

// The lines of all matrices that sums are made of: columns, or rows.
enum class Lines : uint8_t { kColumns, kRows };

// Of the lines [begin, end) of a matrix, into `sums`; `scales`, empty or of the matrix: by place on the line. Places
// are visited in ascending order.
void add_lines(const WeightMatrix& w, uint64_t matrix, Lines lines, uint64_t begin, uint64_t end,
               std::span<const double> scales, double* sums) {
  const bool columns = lines == Lines::kColumns;
  const uint64_t length = columns ? w.rows : w.columns;
  const size_t size = w.dtype == DType::kF32 ? 4 : 2;
  const Isa isa = current_isa();
  const auto at = [&](uint64_t line, uint64_t place) {
    return w.bytes.data() + w.index_of(matrix, columns ? place : line, columns ? line : place) * size;
  };
  const auto scale = [&](uint64_t place) { return scales.empty() ? 1.0 : scales[place]; };
  if (columns != w.transposed) {  // neighbouring lines are neighbours in memory
    for (uint64_t p = 0; p < length; ++p) add_squares(at(begin, p), w.dtype, scale(p), sums, end - begin, isa);
    return;
  }
  float tile[kPlacesTogether][kTurnedLines];
  for (uint64_t first = 0; first < length; first += kPlacesTogether) {
    const uint64_t places = std::min(kPlacesTogether, length - first);
    for (uint64_t l = begin; l < end; ++l)
      spread_floats(at(l, first), w.dtype, &tile[0][l - begin], kTurnedLines, places);
    for (uint64_t p = 0; p < places; ++p)
      add_squares(reinterpret_cast<const std::byte*>(tile[p]), DType::kF32, scale(first + p), sums, end - begin, isa);
  }
}

// Root mean squares of the lines after division by `divisors` (none: 1), one for each place on a matrix's lines.
Result<std::vector<double>> line_rms(const WeightMatrix& w, const DeviceWeights* device, Lines lines,
                                     std::span<const double> divisors, int threads) {
  const bool columns = lines == Lines::kColumns;
  const uint64_t each = columns ? w.columns : w.rows, length = columns ? w.rows : w.columns;
  std::vector<double> scales(divisors.size());
  std::transform(divisors.begin(), divisors.end(), scales.begin(), inverse);
  std::vector<double> rms(w.matrices * each, 0.0);
  if (device != nullptr) {
    NWC_ASSIGN_OR_RETURN(rms, columns ? device->squares_of_columns(scales) : device->squares_of_rows(scales));
  } else {
    const uint64_t together = columns != w.transposed ? kLinesTogether : kTurnedLines,
                   blocks = (each + together - 1) / together;
    NWC_RETURN_IF_ERROR(parallel_for(w.matrices * blocks, threads, [&](size_t item, int) -> Status {
      const uint64_t matrix = item / blocks, begin = item % blocks * together, end = std::min(each, begin + together);
      const std::span<const double> own =
          scales.empty() ? std::span<const double>() : std::span<const double>(scales).subspan(matrix * length, length);
      add_lines(w, matrix, lines, begin, end, own, rms.data() + matrix * each + begin);
      return {};
    }));
  }
  for (size_t i = 0; i < rms.size(); ++i) {
    if (!std::isfinite(rms[i])) return check_finite(w, i / each).error();
    if (length > 0) rms[i] = std::sqrt(rms[i] / static_cast<double>(length));
  }
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

// Row factors of a matrix with root mean square 1, as they will be stored. One scale serves all matrices of a batch, so
// that a matrix of small weights has small factors.
std::vector<double> stored_factors(std::vector<double> rms) {
  const double mean = rms_of(rms);
  for (double& factor : rms) {
    // A factor beyond binary16 would be infinite; there are at least 65504^2 rows then.
    factor = mean > 0 ? float_from_half(stored_form(std::min(65504.0, factor / mean))) : 0.0;
  }
  return rms;
}

// Into scales.exponent, .stored and .columns.
void store_columns(std::span<const double> columns, WeightScales& scales) {
  const double largest = columns.empty() ? 0.0 : *std::max_element(columns.begin(), columns.end());
  // The largest mantissa is just below binary16's largest number: columns may be 2^-39 times smaller before theirs is
  // lost.
  if (largest > 0) scales.exponent = static_cast<int16_t>(std::ilogb(largest) - 15);
  for (const double value : columns) {
    const uint16_t mantissa = stored_form(std::ldexp(value, -scales.exponent));
    scales.stored.push_back(mantissa);
    scales.columns.push_back(
        static_cast<float>(std::ldexp(static_cast<double>(float_from_half(mantissa)), scales.exponent)));
  }
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

Result<WeightScales> weight_scales(const WeightMatrix& w, const NormalisationOptions& options,
                                   std::span<const double> column_gains, int threads, const DeviceWeights* device) {
  WeightScales scales;
  scales.one_scale = !by_column(options.kind);
  std::vector<double> columns, factors;
  NWC_ASSIGN_OR_RETURN(columns, line_rms(w, device, Lines::kColumns, {}, threads));  // refuses what is not finite
  if (by_row(options.kind)) {
    for (int turn = 0; turn < (scales.one_scale ? 1 : kTurns); ++turn) {
      NWC_ASSIGN_OR_RETURN(
          factors, line_rms(w, device, Lines::kRows,
                            scales.one_scale ? std::span<const double>() : std::span<const double>(columns), threads));
      factors = stored_factors(std::move(factors));
      NWC_ASSIGN_OR_RETURN(columns, line_rms(w, device, Lines::kColumns, factors, threads));
    }
  }
  if (scales.one_scale) columns = {options.kind == Normalisation::kModel ? options.model_rms : rms_of(columns)};
  for (size_t c = 0; c < columns.size() && !scales.one_scale && !column_gains.empty(); ++c)
    columns[c] /= column_gains[c];
  for (double& scale : columns) scale = std::min(kLargestScale, scale / options.gain);
  store_columns(columns, scales);
  if (scales.one_scale) scales.columns.assign(w.matrices * w.columns, scales.columns[0]);
  for (const double factor : factors) {
    scales.stored.push_back(half_from_float(static_cast<float>(factor)));
    scales.rows.push_back(static_cast<float>(factor));
  }
  return scales;
}

WeightScales scales_by_lines(const LineScales& lines, double gain) {
  WeightScales scales;
  scales.one_scale = true;
  const double base = 1 / gain;
  store_columns({&base, 1}, scales);
  const float stored = scales.columns[0];
  scales.columns.clear();
  for (size_t j = 0; j < lines.column_steps.size(); ++j) scales.columns.push_back(lines.column_scale(stored, j));
  for (size_t i = 0; i < lines.row_steps.size(); ++i) scales.rows.push_back(lines.row_factor(i));
  return scales;
}

Result<std::vector<double>> column_rms(const WeightMatrix& w, std::span<const double> row_factors, int threads) {
  return line_rms(w, nullptr, Lines::kColumns, row_factors, threads);
}

Result<std::vector<double>> row_rms(const WeightMatrix& w, std::span<const double> column_scales, int threads) {
  return line_rms(w, nullptr, Lines::kRows, column_scales, threads);
}

Result<double> sum_of_squares(const WeightMatrix& w, int threads) {
  NWC_ASSIGN_OR_RETURN(const std::vector<double> rms, column_rms(w, {}, threads));
  double sum = 0;
  for (const double v : rms) sum += v * v * static_cast<double>(w.rows);
  return sum;
}

}  // namespace nwc
