#include "quantise/rounding_errors.h"

#include <cmath>

#include "codec/encode/encoder.h"
#include "format/line_scales.h"
#include "quantise/rate_aware_quantiser.h"
#include "transform/transform.h"

namespace nwc {
namespace {

constexpr uint32_t kPoints = 2048;  // of equal probability

// Where the distribution function of a Gaussian has this value, by bisection.
double gaussian_quantile(double probability) {
  double low = -9, high = 9;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < probability ? low : high) = middle;
  }
  return low;
}

}  // namespace

std::vector<double> rounding_errors(const DecoderCodec& codec, int centre, double gain, double rate_weight) {
  const unsigned channels = codec.latents();
  const Encoder encoder({.decoder = codec, .analysis = codec.synthesis, .nmse = std::vector<float>(codec.levels(), 0)},
                        0);
  const RateAwareQuantiser quantiser(encoder, rate_weight);
  std::vector<double> points;
  for (uint32_t i = 0; i < kPoints; ++i) points.push_back(gaussian_quantile((i + 0.5) / kPoints));
  const size_t stride = Transform::padded(kPoints), tables = codec.tables.set.size();
  std::vector<double> errors(tables, 0.0);
  QuantiserScratch scratch;
  std::vector<Context> contexts(channels);
  for (size_t first = 0; first < tables; first += channels) {
    scratch.chunks.assign(channels * stride, 0.0f);
    for (unsigned c = 0; c < channels; ++c) {
      const size_t table = first + c;
      contexts[c] = static_cast<Context>(table);
      const double spread = gain * std::exp2((static_cast<int>(table) - centre) / double{kSpreadsPerOctave});
      for (uint32_t i = 0; i < kPoints; ++i) scratch.chunks[c * stride + i] = static_cast<float>(spread * points[i]);
    }
    const ChunkBatch batch{0, kPoints, stride, std::nullopt, {contexts.data(), 0}};
    quantiser.quantise(batch, nullptr, current_isa(), scratch);
    for (unsigned c = 0; c < channels; ++c) {
      for (uint32_t i = 0; i < kPoints; ++i) {
        const double e = static_cast<double>(scratch.decoded[c * stride + i]) - scratch.chunks[c * stride + i];
        errors[first + c] += e * e / kPoints;
      }
    }
  }
  return errors;
}

}  // namespace nwc
