// How often each symbol occurs in a tensor, from a share of its tiles: what tables are fitted to, and rates estimated
// from.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "entropy/encode/table_fit.h"
#include "quantise/device_quantiser.h"
#include "quantise/tile_analysis.h"

namespace nwc {

struct SymbolSample {
  std::vector<Histogram> histograms;  // by context
  std::vector<uint64_t> sampled;      // by context: symbols in the sample
  std::vector<uint64_t> symbols;      // by context: about so many in the whole tensor
};

// What gives a tile's symbols: analyse_tile(), or a lookup of what was quantised before. Called from several threads, a
// scratch each.
using TileSource = std::function<TileSymbols(uint64_t number, QuantiserScratch& scratch)>;

// From at most `tiles` tiles of each level, evenly spaced. Independent of `threads`.
SymbolSample sample_tiles(const EncodeJob& job, uint64_t tiles, int threads, const TileSource& tile_of);
// The same sample, of a tensor that was quantised on a device. Errors: those of the device.
Result<SymbolSample> sample_tiles(const EncodeJob& job, uint64_t tiles, const DeviceSymbols& symbols);

// At most `parts` runs of up to 16 stripes, evenly spaced over all matrices.
std::vector<StripeRange> stripes_to_sample(const EncodeJob& job, uint64_t parts);

// With feedback along columns: from at most `parts` runs of stripes. Feedback along rows moves targets by a fraction of
// a step, and a rate by some hundredths of a percent, which is not worth the whole tensor. Precondition: the job's
// guide has feedback. Errors: those of the encoder's device.
Result<SymbolSample> sample_with_feedback(const EncodeJob& job, uint64_t parts, int threads);

}  // namespace nwc
