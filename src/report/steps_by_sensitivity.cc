#include "report/steps_by_sensitivity.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/bytes.h"
#include "base/half.h"
#include "report/report.h"

namespace nwc {
namespace {

// log2 of each over their geometric mean; lines of zeros count as the mean.
std::vector<float> octaves_of(std::span<const float> scales) {
  double sum = 0, lines = 0;
  for (const float s : scales) {
    if (!(s > 0)) continue;
    sum += std::log2(s);
    ++lines;
  }
  std::vector<float> octaves;
  for (const float s : scales) octaves.push_back(s > 0 ? static_cast<float>(std::log2(s) - sum / lines) : 0.0f);
  return octaves;
}

// How many lines of a matrix have which class.
std::map<int, double> class_counts(std::span<const int16_t> classes) {
  std::map<int, double> counts;
  for (const int16_t c : classes) ++counts[c];
  return counts;
}

// A curve of the share of lines in each half octave.
PlotSeries histogram(const std::string& label, const std::vector<float>& octaves) {
  std::map<int, double> bins;
  for (const float o : octaves) bins[static_cast<int>(std::lround(2 * o))] += 1.0 / static_cast<double>(octaves.size());
  PlotSeries series{label, {}};
  if (bins.empty()) return series;
  for (int bin = bins.begin()->first - 1; bin <= bins.rbegin()->first + 1; ++bin) {
    const auto found = bins.find(bin);
    series.points.emplace_back(bin / 2.0, found == bins.end() ? 0.0 : 100 * found->second);
  }
  return series;
}

PlotPanel histograms(const CompressionReport& report, const char* title, std::vector<float> FeltTensor::*octaves) {
  std::map<std::string, std::vector<float>> by_type;
  for (const ReportedTensor& t : report.tensors) {
    if (!t.felt) continue;
    const std::vector<float>& own = (*t.felt).*octaves;
    by_type[t.type].insert(by_type[t.type].end(), own.begin(), own.end());
  }
  PlotPanel panel{title, "octaves from the tensor's mean", "% of them", {}};
  for (const auto& [type, all] : by_type) panel.series.push_back(histogram(type, all));
  return panel;
}

}  // namespace

std::optional<FeltTensor> felt_tensor_of(const TensorDecoder& decoder, const std::vector<double>& errors) {
  const ScaleClasses* const classes = decoder.contexts().scale_classes();
  if (classes == nullptr) return std::nullopt;
  const StreamHeader& h = decoder.header();
  FeltTensor felt;
  felt.column_octaves = octaves_of(decoder.scales());
  felt.row_octaves = octaves_of(decoder.row_factors());
  const int last = static_cast<int>(errors.size()) - 1;
  for (uint64_t m = 0; m < h.matrices; ++m) {
    const std::map<int, double> columns = class_counts(classes->of_columns().subspan(m * h.columns, h.columns)),
                                rows = class_counts(classes->of_rows().subspan(m * h.rows, h.rows));
    for (const auto& [a, lines_a] : columns) {
      for (const auto& [b, lines_b] : rows)
        felt.expected += lines_a * lines_b * errors[static_cast<size_t>(std::clamp(a + b, 0, last))];
    }
  }
  return felt;
}

double gain_of(const TensorDecoder& decoder, std::span<const std::byte> scales) {
  const double base = std::ldexp(float_from_half(load_le<uint16_t>(scales.data())), decoder.header().scale_exponent);
  return base > 0 ? 1 / base : 1.0;
}

FeltSums felt_sums(const CompressionReport& report) {
  FeltSums sums;
  for (const ReportedTensor& t : report.tensors) {
    if (!t.felt || !t.felt->divergence) continue;
    sums.divergence += *t.felt->divergence;
    sums.expected += t.felt->expected;
  }
  return sums;
}

std::vector<FeltBlock> felt_blocks(const CompressionReport& report) {
  const FeltSums sums = felt_sums(report);
  std::map<int64_t, FeltBlock> blocks;
  for (const ReportedTensor& t : report.tensors) {
    if (!t.felt) continue;
    FeltBlock& block = blocks[t.depth];
    block.depth = t.depth;
    block.weights += t.record.weights;
    block.bytes += t.record.payload_bytes + t.record.side_bytes;
    if (!t.felt->divergence) continue;
    if (sums.divergence > 0) block.divergence_share += *t.felt->divergence / sums.divergence;
    if (sums.expected > 0) block.expected_share += t.felt->expected / sums.expected;
  }
  std::vector<FeltBlock> list;
  for (const auto& [depth, block] : blocks) list.push_back(block);
  return list;
}

std::vector<PlotPanel> felt_panels(const CompressionReport& report) {
  const std::vector<FeltBlock> blocks = felt_blocks(report);
  if (blocks.empty()) return {};
  PlotPanel shares{"share of the divergence", "block", "%", {{"measured", {}}, {"expected of the steps", {}}}};
  PlotPanel bits{"bits with side information", "block", "bits per weight", {{"all tensors of a block", {}}}};
  for (const FeltBlock& block : blocks) {
    const auto depth = static_cast<double>(block.depth);
    shares.series[0].points.emplace_back(depth, 100 * block.divergence_share);
    shares.series[1].points.emplace_back(depth, 100 * block.expected_share);
    bits.series[0].points.emplace_back(depth, block.bits_per_weight());
  }
  return {std::move(shares), std::move(bits), histograms(report, "steps of columns", &FeltTensor::column_octaves),
          histograms(report, "steps of rows", &FeltTensor::row_octaves)};
}

std::vector<double> spread_of(std::vector<float> values) {
  std::vector<double> spread;
  std::sort(values.begin(), values.end());
  if (values.empty()) return spread;
  for (const double share : {0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0})
    spread.push_back(values[static_cast<size_t>(share * static_cast<double>(values.size() - 1) + 0.5)]);
  return spread;
}

}  // namespace nwc
