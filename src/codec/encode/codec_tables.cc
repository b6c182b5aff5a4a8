#include "codec/encode/codec_tables.h"

#include <algorithm>
#include <cmath>

#include "entropy/encode/table_fit.h"

namespace nwc {
namespace {

// Where the cumulative function is 1/2. It rises, so bisection finds it; a density that is nowhere near [-2^15, 2^15]
// has no use.
double median_of(const ChannelDensity& density) {
  double low = -32768, high = 32768;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (density.cumulative_logit(middle) < 0 ? low : high) = middle;
  }
  return (low + high) / 2;
}

// Likelihoods of center + v as counts; what is below 2^-40 is left out.
Histogram histogram_of(const ChannelDensity& density, double center) {
  Histogram histogram;
  const auto add_side = [&](int32_t first, int32_t direction) {
    for (int32_t v = first; std::abs(v) <= kMaxTableValue; v += direction) {
      const double count = std::round(std::ldexp(density.likelihood(center + v), 40));
      if (count < 1) break;
      histogram.emplace_back(v, static_cast<uint64_t>(count));
    }
  };
  add_side(-1, -1);
  std::reverse(histogram.begin(), histogram.end());
  add_side(0, 1);
  return histogram;
}

}  // namespace

ChannelDensity channel_density(const DensityWeights& density, uint64_t set, uint64_t channel) {
  ChannelDensity one;
  const uint64_t index = set * density.latents + channel;
  for (const DensityWeights::Layer& layer : density.layers) {
    const auto part = [&](const std::vector<float>& all, uint64_t size) {
      const auto first = all.begin() + static_cast<ptrdiff_t>(index * size);
      return std::vector<double>(first, first + static_cast<ptrdiff_t>(size));
    };
    one.layers.push_back({layer.inputs, layer.outputs, part(layer.matrix, layer.outputs * layer.inputs),
                          part(layer.bias, layer.outputs),
                          layer.factor.empty() ? std::vector<double>() : part(layer.factor, layer.outputs)});
  }
  return one;
}

CodecTables make_codec_tables(const DensityWeights& density, unsigned levels) {
  CodecTables tables;
  tables.levels = levels;
  tables.channels = static_cast<unsigned>(density.latents);
  for (unsigned level = 0; level < levels; ++level) {
    for (uint64_t c = 0; c < density.latents; ++c) {
      const ChannelDensity channel = channel_density(density, density.sets == 1 ? 0 : level, c);
      const float center = static_cast<float>(median_of(channel));
      tables.centers.push_back(center);
      tables.set.push_back(fit_table(histogram_of(channel, center)));
    }
  }
  return tables;
}

}  // namespace nwc
