#include "tensor/checkpoint_tables.h"

#include <map>

namespace nwc {

TableSet fit_checkpoint_tables(std::span<const TensorSample> samples, const TableSet& of_codec, TableRange range) {
  TableSet fitted = of_codec;
  for (size_t context = 0; context < of_codec.size(); ++context) {
    std::map<int32_t, uint64_t> counts;
    for (const TensorSample& sample : samples) {
      const SymbolSample& symbols = sample.symbols;
      if (symbols.sampled[context] == 0) continue;
      const double weight =
          static_cast<double>(symbols.symbols[context]) / static_cast<double>(symbols.sampled[context]);
      for (const auto& [value, count] : symbols.histograms[context])
        counts[value] += static_cast<uint64_t>(static_cast<double>(count) * weight + 0.5);
    }
    if (!counts.empty()) fitted[context] = fit_table(Histogram(counts.begin(), counts.end()), range);
  }
  return fitted;
}

}  // namespace nwc
