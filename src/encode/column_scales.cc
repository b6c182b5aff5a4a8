#include "encode/column_scales.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/parallel.h"

namespace nwc {
namespace {

constexpr uint64_t kColumnsTogether = 256;  // a work item: one matrix, this many columns
constexpr double kLargestScale = std::numeric_limits<float>::max();

// Sums of squares of columns [begin, end), added in ascending order of rows.
Status sum_squares(const WeightMatrix& w, uint64_t matrix, uint64_t begin, uint64_t end, double* sums) {
  for (uint64_t r = 0; r < w.rows; ++r) {
    for (uint64_t c = begin; c < end; ++c) {
      const double v = w.at(w.index_of(matrix, r, c));
      sums[c - begin] += v * v;
    }
  }
  if (std::all_of(sums, sums + (end - begin), [](double s) { return std::isfinite(s); })) return {};
  for (uint64_t r = 0; r < w.rows; ++r) {
    for (uint64_t c = begin; c < end; ++c) {
      const float v = w.at(w.index_of(matrix, r, c));
      if (std::isfinite(v)) continue;
      return Error(ErrorCode::kNonFinite, "weight [" + std::to_string(r) + ", " + std::to_string(c) + "] is " + (std::isnan(v) ? "NaN" : "infinite"))
          .in_tensor(w.name)
          .remedy("repair the checkpoint, or store such tensors uncompressed with --keep-nonfinite");
    }
  }
  return Error(ErrorCode::kInternal, "sum of squares overflows").in_tensor(w.name);
}

}  // namespace

Result<ColumnScales> column_scales(const WeightMatrix& w, double gain, int threads) {
  const uint64_t blocks = (w.columns + kColumnsTogether - 1) / kColumnsTogether;
  std::vector<double> rms(w.matrices * w.columns, 0.0);
  NWC_RETURN_IF_ERROR(parallel_for(w.matrices * blocks, threads, [&](size_t item, int) -> Status {
    const uint64_t matrix = item / blocks, begin = item % blocks * kColumnsTogether, end = std::min(w.columns, begin + kColumnsTogether);
    double* sums = rms.data() + matrix * w.columns + begin;
    NWC_RETURN_IF_ERROR(sum_squares(w, matrix, begin, end, sums));
    for (uint64_t c = 0; c < end - begin; ++c) {
      if (w.rows > 0) sums[c] = std::min(kLargestScale, std::sqrt(sums[c] / static_cast<double>(w.rows)) / gain);
    }
    return {};
  }));

  ColumnScales scales;
  const double largest = rms.empty() ? 0.0 : *std::max_element(rms.begin(), rms.end());
  // The largest mantissa is just below binary16's largest number: columns may be 2^-39 times smaller before theirs is lost.
  if (largest > 0) scales.exponent = static_cast<int16_t>(std::ilogb(largest) - 15);
  for (const double value : rms) {
    uint16_t mantissa = half_from_float(static_cast<float>(std::ldexp(value, -scales.exponent)));
    if (mantissa == 0 && value > 0) mantissa = 1;  // tiny beside the largest column, but not nothing
    scales.mantissas.push_back(mantissa);
    scales.values.push_back(static_cast<float>(std::ldexp(static_cast<double>(float_from_half(mantissa)), scales.exponent)));
  }
  return scales;
}

}  // namespace nwc
