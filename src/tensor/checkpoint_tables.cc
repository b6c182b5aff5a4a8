#include "tensor/checkpoint_tables.h"

#include <map>

namespace nwc {

TableSet fit_checkpoint_tables(std::span<const TensorSample> samples, const TableSet& of_codec) {
  TableSet fitted = of_codec;
  for (unsigned level = 0; level < of_codec.levels; ++level) {
    for (unsigned c = 0; c < of_codec.channels; ++c) {
      const size_t i = level * of_codec.channels + c;
      std::map<int32_t, uint64_t> counts;
      for (const TensorSample& sample : samples) {
        const SymbolSample& symbols = sample.symbols;
        if (symbols.sampled[level] == 0) continue;
        const double weight =
            static_cast<double>(symbols.symbols_of_level[level]) / static_cast<double>(symbols.sampled[level]);
        for (const auto& [value, count] : symbols.histograms[i])
          counts[value] += static_cast<uint64_t>(static_cast<double>(count) * weight + 0.5);
      }
      if (!counts.empty()) fitted.tables[i] = fit_table(Histogram(counts.begin(), counts.end()));
    }
  }
  return fitted;
}

}  // namespace nwc
