#include "tensor/table_choice.h"

#include <cmath>

#include "base/fixed_log2.h"
#include "format/stream_header.h"

namespace nwc {

TableChoice choose_tables(const TableSet& codec_tables, const SymbolSample& sample, bool allow_own) {
  TableSet own(codec_tables.size());
  TableChoice choice{codec_tables, {}, 0};
  uint64_t saved = 0, codec_total = 0, own_table_bytes = 0;
  for (size_t context = 0; context < codec_tables.size(); ++context) {
    const Histogram& histogram = sample.histograms[context];
    if (histogram.empty()) continue;
    FrequencyTable fitted = fit_table(histogram);
    const uint64_t table_bytes = serialise_own_tables({fitted}).size(), table_cost = 8 * table_bytes << kCostBits;
    // Scaled by symbols, because the last tile of a group may be short.
    const auto of_all_tiles = [&](uint64_t cost) {
      return static_cast<uint64_t>(static_cast<double>(cost) * static_cast<double>(sample.symbols[context]) /
                                   static_cast<double>(sample.sampled[context]));
    };
    const uint64_t codec_cost = of_all_tiles(coding_cost(histogram, codec_tables[context]));
    codec_total += codec_cost;
    const uint64_t own_cost = of_all_tiles(coding_cost(histogram, fitted)) + table_cost;
    if (!allow_own || own_cost >= codec_cost) continue;
    saved += codec_cost - own_cost;
    own_table_bytes += table_bytes;
    own[context] = fitted;
    choice.used[context] = std::move(fitted);
  }
  std::vector<std::byte> bytes = serialise_own_tables(own);
  const uint64_t empty_entries = own.size();  // a byte each for tables that are not replaced
  const auto to_bits = [](uint64_t cost) {
    return std::ldexp(static_cast<double>(cost), -static_cast<int>(kCostBits));
  };
  if (saved <= empty_entries * 8 << kCostBits) return {codec_tables, {}, to_bits(codec_total)};
  choice.own_bytes = std::move(bytes);
  choice.estimated_bits = to_bits(codec_total - saved) - 8.0 * static_cast<double>(own_table_bytes);
  return choice;
}

}  // namespace nwc
