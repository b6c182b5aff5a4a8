#include "quantise/rounding_errors.h"

#include <cmath>

#include "codec/encode/encoder.h"
#include "format/line_scales.h"
#include "quantise/plain_quantiser.h"
#include "transform/transform.h"

namespace nwc {
namespace {

constexpr uint32_t kPoints = 2048;   // of equal probability
constexpr uint32_t kScatter = 1229;  // odd: a step through all points that leaves no order in a path

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
  const std::unique_ptr<const Quantiser> quantiser = make_plain_quantiser(encoder, rate_weight);
  std::vector<double> points;
  for (uint32_t i = 0; i < kPoints; ++i) points.push_back(gaussian_quantile((i * kScatter % kPoints + 0.5) / kPoints));
  const uint32_t chunks = kPoints / channels;
  const size_t stride = Transform::padded(chunks);
  const size_t classes = codec.trellis ? codec.tables.set.size() / 2 : codec.tables.set.size();
  std::vector<double> errors(classes, 0.0);
  QuantiserScratch scratch;
  for (size_t table = 0; table < classes; ++table) {
    const std::vector<Context> contexts(channels, static_cast<Context>(table));
    const double spread = gain * std::exp2((static_cast<int>(table) - centre) / double{kSpreadsPerOctave});
    scratch.chunks.assign(channels * stride, 0.0f);
    for (unsigned c = 0; c < channels; ++c) {
      for (uint32_t i = 0; i < chunks; ++i)
        scratch.chunks[c * stride + i] = static_cast<float>(spread * points[i * channels + c]);
    }
    quantiser->quantise({0, chunks, stride, std::nullopt, {contexts.data(), 0}}, nullptr, current_isa(), scratch);
    for (unsigned c = 0; c < channels; ++c) {
      for (uint32_t i = 0; i < chunks; ++i) {
        const double e = static_cast<double>(scratch.decoded[c * stride + i]) - scratch.chunks[c * stride + i];
        errors[table] += e * e / (chunks * channels);
      }
    }
  }
  return errors;
}

}  // namespace nwc
