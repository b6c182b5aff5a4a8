#include "weights/lost_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace nwc {
namespace {

constexpr uint64_t kSamples = 4096;
constexpr double kWidestRange = 0x1p29;  // from 2^15 to binary16's smallest normal number, 2^-14
constexpr double kNoLoss = 0x1p-20;      // of the typical weight
constexpr uint64_t kOutliersOneIn = 64;  // weights of a column may hold all of its energy
constexpr double kDominated = 32;
// Times the typical weight: below, a column that its outliers dominate would have others that are no loss.
constexpr double kSuspicious = 64;

double median_of(std::vector<float>& values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Of the weights that are not 0, spread over the tensor so that no row or column is met too often.
double typical_magnitude(const WeightMatrix& w) {
  constexpr uint64_t kGolden = 0x9E3779B97F4A7C15;  // 2^64 times the golden section: multiples spread evenly
  const uint64_t count = w.elements();
  std::vector<float> magnitudes;
  for (uint64_t i = 0; i < std::min(count, kSamples); ++i) {
    const uint64_t at =
        count <= kSamples
            ? i
            : static_cast<uint64_t>(static_cast<double>(i * kGolden >> 11) * 0x1p-53 * static_cast<double>(count));
    const float magnitude = std::abs(w.at(std::min(at, count - 1)));
    if (magnitude > 0) magnitudes.push_back(magnitude);
  }
  return median_of(magnitudes);
}

// The largest magnitude of a column but for its outliers.
double ordinary_magnitude(const WeightMatrix& w, uint64_t matrix, uint64_t column, std::vector<float>& magnitudes) {
  magnitudes.clear();
  for (uint64_t r = 0; r < w.rows; ++r) magnitudes.push_back(std::abs(w.at(w.index_of(matrix, r, column))));
  const uint64_t outliers = std::max<uint64_t>(1, w.rows / kOutliersOneIn);
  if (outliers >= w.rows) return 0;
  const auto place = magnitudes.begin() + static_cast<std::ptrdiff_t>(w.rows - outliers - 1);
  std::nth_element(magnitudes.begin(), place, magnitudes.end());
  return *place;
}

void find_largest(const WeightMatrix& w, LostColumns& lost) {
  uint64_t best = 0;
  for (uint64_t i = 0; i < w.elements(); ++i) {
    if (std::abs(w.at(i)) > std::abs(w.at(best))) best = i;
  }
  const uint64_t length = w.transposed ? w.rows : w.columns;  // of a stored line
  lost.largest = w.at(best);
  lost.matrix = best / (w.rows * w.columns);
  lost.line = best % (w.rows * w.columns) / length;
  lost.place = best % length;
  lost.dimensions = w.dimensions;
}

}  // namespace

std::optional<LostColumns> find_lost_columns(const WeightMatrix& w, std::span<const double> column_rms) {
  if (w.elements() == 0) return std::nullopt;
  const double largest = *std::max_element(column_rms.begin(), column_rms.end());
  const double typical = typical_magnitude(w);
  if (!(largest > kSuspicious * typical)) return std::nullopt;
  LostColumns lost{.of = column_rms.size(), .typical = typical};
  const double no_loss = kNoLoss * typical;
  std::vector<float> magnitudes;
  for (uint64_t c = 0; c < column_rms.size(); ++c) {
    const double rms = column_rms[c];
    if (!(rms > no_loss)) continue;
    bool is_lost = rms * kWidestRange < largest;
    if (!is_lost && rms > kSuspicious * typical) {
      const double ordinary = ordinary_magnitude(w, c / w.columns, c % w.columns, magnitudes);
      is_lost = ordinary > no_loss && ordinary * kDominated < rms;
    }
    lost.columns += is_lost ? 1 : 0;
  }
  if (lost.columns == 0) return std::nullopt;
  find_largest(w, lost);
  return lost;
}

std::string describe(const LostColumns& lost) {
  const std::string matrix = lost.dimensions == 3 ? fmt::format("{}, ", lost.matrix) : std::string();
  return fmt::format("weight [{}{}, {}] is {:.3g} where most are near {:.3g}; {} of {} columns would be lost beside it",
                     matrix, lost.line, lost.place, lost.largest, lost.typical, lost.columns, lost.of);
}

}  // namespace nwc
