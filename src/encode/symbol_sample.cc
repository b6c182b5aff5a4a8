#include "encode/symbol_sample.h"

#include <algorithm>

#include "base/parallel.h"
#include "encode/feedback.h"

namespace nwc {
namespace {

// Stripes of a sample's parts.
constexpr uint64_t kSampleStripes = 16;

using SymbolValues = std::vector<std::vector<int32_t>>;  // [levels * channels]

Histogram histogram_of(std::vector<int32_t>& values) {
  std::sort(values.begin(), values.end());
  Histogram histogram;
  for (const int32_t v : values) {
    if (histogram.empty() || histogram.back().first != v) histogram.emplace_back(v, 0);
    ++histogram.back().second;
  }
  return histogram;
}

SymbolSample counted(const EncodeJob& job, SymbolValues values) {
  const unsigned levels = job.encoder.codec().parts().levels();
  SymbolSample sample{{}, std::vector<uint64_t>(levels), std::vector<uint64_t>(levels)};
  for (const LevelGroup& group : job.tiling.groups()) sample.symbols_of_level[group.level] += group.chunks;
  for (unsigned level = 0; level < levels; ++level) {
    sample.sampled[level] = values[level * job.latents].size();
    for (unsigned c = 0; c < job.latents; ++c) sample.histograms.push_back(histogram_of(values[level * job.latents + c]));
  }
  return sample;
}

}  // namespace

SymbolSample sample_tiles(const EncodeJob& job, uint64_t tiles_per_level, int threads, const TileSource& tile_of) {
  const unsigned levels = job.encoder.codec().parts().levels();
  std::vector<std::vector<uint64_t>> tiles_of_level(levels);
  for (const LevelGroup& group : job.tiling.groups()) {
    const uint64_t end = &group == &job.tiling.groups().back() ? job.tiling.tile_count() : (&group + 1)->first_tile;
    for (uint64_t t = group.first_tile; t < end; ++t) tiles_of_level[group.level].push_back(t);
  }
  SymbolValues values(levels * job.latents);
  std::vector<QuantiserScratch> scratch(static_cast<size_t>(threads));
  for (unsigned level = 0; level < levels; ++level) {
    const std::vector<uint64_t>& all = tiles_of_level[level];
    if (all.empty()) continue;
    const uint64_t sampled = std::min<uint64_t>(tiles_per_level, all.size());
    std::vector<TileSymbols> tiles(sampled);
    (void)parallel_for(sampled, threads, [&](size_t s, int worker) -> Status {
      tiles[s] = tile_of(all[s * all.size() / sampled], scratch[static_cast<size_t>(worker)]);
      return {};
    });
    for (uint64_t s = 0; s < sampled; ++s) {
      const uint32_t chunks = job.tiling.tile(all[s * all.size() / sampled]).chunks;
      for (unsigned c = 0; c < job.latents; ++c) {
        const int32_t* row = tiles[s].values.data() + c * tiles[s].stride;
        std::vector<int32_t>& of_channel = values[level * job.latents + c];
        of_channel.insert(of_channel.end(), row, row + chunks);
      }
      tiles[s] = {};
    }
  }
  return counted(job, std::move(values));
}

Result<SymbolSample> sample_with_feedback(const EncodeJob& job, uint64_t parts, int threads) {
  SymbolValues values(job.encoder.codec().parts().levels() * job.latents);
  const uint64_t stripes = job.tiling.stripes(), per_matrix = (stripes + kSampleStripes - 1) / kSampleStripes;
  const uint64_t all = job.weights.elements() == 0 ? 0 : job.weights.matrices * per_matrix, sampled = std::min(parts, all);
  std::vector<StripeRange> ranges(sampled);
  for (uint64_t s = 0; s < sampled; ++s) {
    const uint64_t part = s * all / sampled, first = part % per_matrix * kSampleStripes;
    ranges[s] = {part / per_matrix, first, std::min(kSampleStripes, stripes - first)};
  }
  std::vector<QuantisedStripes> quantised(sampled);
  if (job.encoder.device() != nullptr) {
    NWC_ASSIGN_OR_RETURN(quantised, job.encoder.device()->quantise(job, ranges));
  } else {
    (void)parallel_for(sampled, threads, [&](size_t s, int) -> Status {
      quantised[s] = quantise_stripes(job.weights, ranges[s].matrix, ranges[s].first, ranges[s].count, job.scales, job.levels_of_matrix(ranges[s].matrix),
                                      *job.guide.feedback[ranges[s].matrix], job.encoder);
      return {};
    });
  }
  for (uint64_t s = 0; s < sampled; ++s) {
    const std::span<const uint8_t> levels = job.levels_of_matrix(ranges[s].matrix);
    const QuantisedStripes& part = quantised[s];
    for (uint64_t i = 0; i < part.stripes * job.latents; ++i) {
      for (uint64_t k = 0; k < part.columns; ++k) {
        const unsigned level = levels.empty() ? 0 : levels[k];
        values[level * job.latents + i % job.latents].push_back(part.symbols[i * part.columns + k]);
      }
    }
  }
  return counted(job, std::move(values));
}

}  // namespace nwc
