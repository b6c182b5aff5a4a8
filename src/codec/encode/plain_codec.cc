#include "codec/encode/plain_codec.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <vector>

#include "entropy/encode/table_fit.h"
#include "format/context_rule.h"

namespace nwc {
namespace {

constexpr int kClasses = 128;         // of lines, on both sides of the middle
constexpr double kSymbols = 1 << 20;  // that a table's frequencies stand for

// Integers v that Gaussian numbers of this spread are rounded to, v + offset being the nearest.
FrequencyTable gaussian_table(double spread, double offset = 0, TableRange range = TableRange::kAny) {
  Histogram histogram;
  const auto reach = static_cast<int32_t>(std::ceil(6 * spread)) + 1;
  for (int32_t v = -reach; v <= reach; ++v) {
    const double below = std::erf((v + offset - 0.5) / (spread * std::sqrt(2.0))),
                 above = std::erf((v + offset + 0.5) / (spread * std::sqrt(2.0)));
    const auto count = static_cast<uint64_t>(kSymbols * (above - below) / 2);
    if (count > 0 || v == 0) histogram.emplace_back(v, std::max<uint64_t>(1, count));
  }
  return fit_table(histogram, range);
}

// What lines whose classes have this sum code.
double spread_of(int sum, int centre, double octaves) {
  return std::exp2(std::clamp(octaves + (sum - centre) / 4.0, -6.0, 9.0));
}

// `middle` and the numbers on both sides of it, from the nearest on.
std::vector<int16_t> outward(int middle) {
  std::vector<int16_t> numbers;
  for (int k = 0; k < kClasses; ++k)
    numbers.push_back(static_cast<int16_t>(middle + (k % 2 == 0 ? k / 2 : -(k + 1) / 2)));
  return numbers;
}

// For each table of even integers, or of all, the sum of the classes of a column and a row that name it: of the pairs
// that do, the one whose row, then whose column, is nearest to the middle. Pairs further out may stand beyond the first
// or the last table.
std::vector<int> classes_of_tables(const RuleTraits& rule, const CodecShape& shape, int centre) {
  const LineScales lines{std::vector<int16_t>(kClasses), std::vector<int16_t>(kClasses), outward(centre), outward(0)};
  const std::shared_ptr<const StreamContexts> contexts = *rule.make(lines, kClasses, kClasses, shape);
  const size_t tables = contexts->odd() > 0 ? contexts->odd() : shape.tables();
  std::vector<std::optional<int>> classes(tables);
  std::vector<Context> of_chunk(shape.channels);
  for (uint32_t row = 0; row < kClasses; ++row) {
    for (uint32_t column = 0; column < kClasses; ++column) {
      contexts->of_chunk({0, 0, row / shape.channels, column}, of_chunk);
      std::optional<int>& of_table = classes[of_chunk[row % shape.channels]];
      if (!of_table) of_table = lines.column_spreads[column] + lines.row_spreads[row];
    }
  }
  std::vector<int> sums;
  for (const std::optional<int>& of_table : classes) sums.push_back(of_table.value_or(centre));
  return sums;
}

// Without tables yet.
EncoderCodec with_rule(const RuleTraits& rule) {
  EncoderCodec codec;
  codec.by_lines = rule.rule;
  codec.decoder.synthesis = codec.analysis = identity_transform(rule.levels, rule.latents);
  codec.decoder.tables.levels = rule.levels;
  codec.decoder.tables.channels = rule.latents;
  codec.decoder.tables.centers.assign(size_t{rule.levels} * rule.latents, 0.0f);
  codec.decoder.tables.set.reserve(size_t{rule.levels} * rule.latents);
  codec.nmse.assign(rule.levels, 1.0f / 12);
  return codec;
}

}  // namespace

EncoderCodec plain_codec(int centre, double octaves, ContextRule rule) {
  EncoderCodec codec = with_rule(traits_of(rule));
  for (const int sum : classes_of_tables(traits_of(rule), shape_of(codec.decoder), centre))
    codec.decoder.tables.set.push_back(gaussian_table(spread_of(sum, centre, octaves)));
  return codec;
}

EncoderCodec trellis_codec(const Trellis& trellis, int centre, double octaves) {
  const RuleTraits& rule = traits_of(ContextRule::kTrellis);
  EncoderCodec codec = with_rule(rule);
  codec.decoder.trellis = trellis;
  const std::vector<int> sums = classes_of_tables(rule, shape_of(codec.decoder), centre);
  for (const double offset : {0.0, 0.5}) {  // of k from the number that 2 k or 2 k + 1 is twice
    for (const int sum : sums)
      codec.decoder.tables.set.push_back(
          gaussian_table(spread_of(sum, centre, octaves) / 2, offset, TableRange::kEven));
  }
  return codec;
}

}  // namespace nwc
