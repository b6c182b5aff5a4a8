#include "tensor/symbol_sample.h"

#include <algorithm>

#include "base/parallel.h"
#include "quantise/feedback.h"

namespace nwc {
namespace {

// Rows of a sample's parts.
constexpr uint64_t kSampleRows = 256;

using SymbolValues = std::vector<std::vector<int32_t>>;  // by context

Histogram histogram_of(std::vector<int32_t>& values) {
  if (values.empty()) return {};
  Histogram histogram;
  const auto [least, largest] = std::minmax_element(values.begin(), values.end());
  const int64_t first = *least, width = int64_t{*largest} - first + 1;
  if (width <= static_cast<int64_t>(values.size()) + 65536) {
    std::vector<uint64_t> counts(static_cast<size_t>(width));
    for (const int32_t v : values) ++counts[static_cast<size_t>(v - first)];
    for (size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] > 0) histogram.emplace_back(static_cast<int32_t>(first + static_cast<int64_t>(i)), counts[i]);
    }
    return histogram;
  }
  std::sort(values.begin(), values.end());
  for (const int32_t v : values) {
    if (histogram.empty() || histogram.back().first != v) histogram.emplace_back(v, 0);
    ++histogram.back().second;
  }
  return histogram;
}

// How many symbols of each context the tensor has; with a trellis, in the sample's proportion of unions.
std::vector<uint64_t> symbols_of(const EncodeJob& job, std::span<const uint64_t> sampled) {
  std::vector<uint64_t> symbols(sampled.size());
  std::vector<Context> of_chunk(job.latents);
  for (const LevelGroup& group : job.tiling.groups()) {
    const uint64_t alike = job.contexts.shared() ? group.chunks : 1;
    for (uint64_t chunk = 0; chunk < group.chunks; chunk += alike) {
      job.contexts.of_chunk(place_of(group, chunk), of_chunk);
      for (const Context context : of_chunk) symbols[context] += alike;
    }
  }
  for (size_t even = 0, odd = job.contexts.odd(); even < job.contexts.odd(); ++even, ++odd) {
    const uint64_t both = sampled[even] + sampled[odd];
    if (both == 0) continue;
    symbols[odd] = static_cast<uint64_t>(static_cast<double>(symbols[even]) * static_cast<double>(sampled[odd]) /
                                         static_cast<double>(both));
    symbols[even] -= symbols[odd];
  }
  return symbols;
}

SymbolSample sample_of(const EncodeJob& job, std::vector<Histogram> histograms) {
  SymbolSample sample{std::move(histograms), {}, {}};
  for (const Histogram& histogram : sample.histograms) {
    uint64_t& sampled = sample.sampled.emplace_back(0);
    for (const auto& [value, count] : histogram) sampled += count;
  }
  sample.symbols = symbols_of(job, sample.sampled);
  return sample;
}

SymbolSample counted(const EncodeJob& job, SymbolValues values, int threads) {
  std::vector<Histogram> histograms(values.size());
  parallel_for_or_throw(values.size(), threads, [&](size_t i, int) { histograms[i] = histogram_of(values[i]); });
  return sample_of(job, std::move(histograms));
}

// At most so many tiles of each level, evenly spaced.
std::vector<std::vector<uint64_t>> tiles_to_sample(const EncodeJob& job, uint64_t tiles_per_level) {
  std::vector<std::vector<uint64_t>> tiles_of_level(job.encoder.codec().parts().levels());
  for (const LevelGroup& group : job.tiling.groups()) {
    const uint64_t end = &group == &job.tiling.groups().back() ? job.tiling.tile_count() : (&group + 1)->first_tile;
    for (uint64_t t = group.first_tile; t < end; ++t) tiles_of_level[group.level].push_back(t);
  }
  for (std::vector<uint64_t>& all : tiles_of_level) {
    const uint64_t sampled = std::min<uint64_t>(tiles_per_level, all.size());
    for (uint64_t s = 0; s < sampled; ++s) all[s] = all[s * all.size() / sampled];  // never one that was overwritten
    all.resize(sampled);
  }
  return tiles_of_level;
}

}  // namespace

SymbolSample sample_tiles(const EncodeJob& job, uint64_t tiles_per_level, int threads, const TileSource& tile_of) {
  const std::vector<std::vector<uint64_t>> tiles_of_level = tiles_to_sample(job, tiles_per_level);
  SymbolValues values(job.encoder.codec().parts().tables.set.size());
  std::vector<Context> storage;
  std::vector<QuantiserScratch> scratch(static_cast<size_t>(threads));
  for (size_t level = 0; level < tiles_of_level.size(); ++level) {
    const std::vector<uint64_t>& numbers = tiles_of_level[level];
    std::vector<TileSymbols> tiles(numbers.size());
    parallel_for_or_throw(numbers.size(), threads, [&](size_t s, int worker) {
      tiles[s] = tile_of(numbers[s], scratch[static_cast<size_t>(worker)]);
    });
    for (size_t s = 0; s < numbers.size(); ++s) {
      const uint32_t chunks = job.tiling.tile(numbers[s]).chunks;
      const TileContexts contexts = job.contexts.of_tile(job.tiling.groups()[job.tiling.tile(numbers[s]).group],
                                                         job.tiling.tile(numbers[s]), storage);
      for (unsigned c = 0; c < job.latents; ++c) {
        const int32_t* row = tiles[s].values.data() + c * tiles[s].stride;
        if (contexts.shared()) {
          std::vector<int32_t>& of_context = values[contexts.at(c, 0)];
          of_context.insert(of_context.end(), row, row + chunks);
        } else {
          for (uint32_t i = 0; i < chunks; ++i) {
            const CodedInteger coded = contexts.coded(c, i, row[i]);
            values[coded.context].push_back(coded.value);
          }
        }
      }
      tiles[s] = {};
    }
  }
  return counted(job, std::move(values), threads);
}

Result<SymbolSample> sample_tiles(const EncodeJob& job, uint64_t tiles_per_level, const DeviceSymbols& symbols) {
  std::vector<uint64_t> numbers;
  for (const std::vector<uint64_t>& of_level : tiles_to_sample(job, tiles_per_level))
    numbers.insert(numbers.end(), of_level.begin(), of_level.end());
  NWC_ASSIGN_OR_RETURN(std::vector<Histogram> histograms, symbols.histograms_of_tiles(numbers));
  return sample_of(job, std::move(histograms));
}

std::vector<StripeRange> stripes_to_sample(const EncodeJob& job, uint64_t parts) {
  const uint64_t together = std::max<uint64_t>(1, kSampleRows / job.chunk_length);
  const uint64_t stripes = job.tiling.stripes(), per_matrix = (stripes + together - 1) / together;
  const uint64_t all = job.weights.elements() == 0 ? 0 : job.weights.matrices * per_matrix,
                 sampled = std::min(parts, all);
  std::vector<StripeRange> ranges(sampled);
  for (uint64_t s = 0; s < sampled; ++s) {
    const uint64_t part = s * all / sampled, first = part % per_matrix * together;
    ranges[s] = {part / per_matrix, first, std::min(together, stripes - first)};
  }
  return ranges;
}

Result<SymbolSample> sample_with_feedback(const EncodeJob& job, uint64_t parts, int threads) {
  SymbolValues values(job.encoder.codec().parts().tables.set.size());
  const std::vector<StripeRange> ranges = stripes_to_sample(job, parts);
  if (job.encoder.device() != nullptr) {
    NWC_ASSIGN_OR_RETURN(const std::unique_ptr<const DeviceSymbols> symbols,
                         job.encoder.device()->quantise(job, ranges, false));
    NWC_ASSIGN_OR_RETURN(std::vector<Histogram> histograms, symbols->histograms());
    return sample_of(job, std::move(histograms));
  }
  const std::vector<QuantisedStripes> quantised = quantise_ranges(job, ranges, threads);
  std::vector<Context> of_chunk(job.latents);
  for (size_t s = 0; s < ranges.size(); ++s) {
    const std::span<const uint8_t> levels = job.levels_of_matrix(ranges[s].matrix);
    const QuantisedStripes& part = quantised[s];
    for (uint64_t i = 0; i < part.stripes; ++i) {
      for (uint64_t k = 0; k < part.columns; ++k) {
        const unsigned level = levels.empty() ? 0 : levels[k];
        job.contexts.of_chunk({ranges[s].matrix, level, part.first_stripe + i, static_cast<uint32_t>(k)}, of_chunk);
        for (unsigned c = 0; c < job.latents; ++c) {
          const CodedInteger coded =
              coded_integer(of_chunk[c], job.contexts.odd(), part.symbols[(i * job.latents + c) * part.columns + k]);
          values[coded.context].push_back(coded.value);
        }
      }
    }
  }
  return counted(job, std::move(values), threads);
}

}  // namespace nwc
