#include "tensor/line_scales_coding.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>

#include "base/bytes.h"
#include "entropy/encode/table_fit.h"
#include "entropy/encode/tile_encoder.h"

namespace nwc {
namespace {

int16_t mean_of(std::span<const int16_t> numbers) {
  double sum = 0;
  for (const int16_t n : numbers) sum += n;
  return numbers.empty() ? int16_t{0} : static_cast<int16_t>(std::nearbyint(sum / static_cast<double>(numbers.size())));
}

Context cheapest_table(std::span<const int16_t> numbers, int16_t mean, const TableSet& tables) {
  std::map<int32_t, uint64_t> counts;
  for (const int16_t n : numbers) ++counts[n - mean];
  const Histogram histogram(counts.begin(), counts.end());
  const auto cost = [&](const FrequencyTable& table) { return coding_cost(histogram, table); };
  size_t best = 0;
  uint64_t least = UINT64_MAX;
  for (size_t t = 0; t < tables.size(); ++t) {
    const uint64_t here = cost(tables[t]);
    if (here >= least) continue;
    best = t;
    least = here;
  }
  return static_cast<Context>(best);
}

}  // namespace

std::vector<std::byte> code_line_scales(const LineScales& lines, const TableSet& of_codec) {
  std::vector<std::byte> bytes;
  std::vector<int32_t> symbols;
  std::vector<Context> contexts;
  for (const std::span<const int16_t> sequence : lines.sequences()) {
    const int16_t mean = mean_of(sequence);
    const Context table = cheapest_table(sequence, mean, of_codec);
    append_le(bytes, static_cast<uint16_t>(mean));
    append_le(bytes, table);
    for (const int16_t n : sequence) symbols.push_back(n - mean);
    contexts.insert(contexts.end(), sequence.size(), table);
  }
  const CodingTables tables(of_codec);
  for (size_t first = 0; first < symbols.size(); first += kLineTile) {
    const uint32_t count = static_cast<uint32_t>(std::min<size_t>(kLineTile, symbols.size() - first));
    const TileShape shape{.channels = 1, .chunks = count, .run_groups = 1, .chunk_length = 1};
    const std::vector<std::byte> tile =
        encode_tile(tables, {contexts.data() + first, count}, shape, symbols.data() + first, count, {});
    append_le(bytes, static_cast<uint32_t>(tile.size()));
    bytes.insert(bytes.end(), tile.begin(), tile.end());
  }
  return bytes;
}

}  // namespace nwc
