#include "tensor/checkpoint_tables.h"

#include <algorithm>
#include <map>

namespace nwc {

TableSet fit_checkpoint_tables(std::span<const TensorSample> samples, const TableSet& of_codec, size_t together) {
  TableSet fitted = of_codec;
  for (size_t first = 0; first < of_codec.size(); first += together) {
    std::map<int32_t, uint64_t> counts;
    for (size_t context = first; context < first + together; ++context) {
      for (const TensorSample& sample : samples) {
        const SymbolSample& symbols = sample.symbols;
        if (symbols.sampled[context] == 0) continue;
        const double weight =
            static_cast<double>(symbols.symbols[context]) / static_cast<double>(symbols.sampled[context]);
        for (const auto& [value, count] : symbols.histograms[context])
          counts[value] += static_cast<uint64_t>(static_cast<double>(count) * weight + 0.5);
      }
    }
    if (counts.empty()) continue;
    const FrequencyTable table = fit_table(Histogram(counts.begin(), counts.end()));
    std::fill_n(fitted.begin() + static_cast<ptrdiff_t>(first), together, table);
  }
  return fitted;
}

}  // namespace nwc
