#include "codec/encode/plain_codec.h"

#include <algorithm>
#include <cmath>

#include "entropy/encode/table_fit.h"

namespace nwc {
namespace {

constexpr unsigned kChunk = 16, kLevels = 8;
constexpr unsigned kTrellisChunk = 64, kTrellisLevels = 4;
constexpr int kClasses = 128;
constexpr double kSymbols = 1 << 20;  // that a table's frequencies stand for

// Integers v that Gaussian numbers of this spread are rounded to, v + offset being the nearest.
FrequencyTable gaussian_table(double spread, double offset = 0, TableRange range = TableRange::kAny) {
  Histogram histogram;
  const auto reach = static_cast<int32_t>(std::ceil(6 * spread)) + 1;
  for (int32_t v = -reach; v <= reach; ++v) {
    const double below = std::erf((v + offset - 0.5) / (spread * std::sqrt(2.0))),
                 above = std::erf((v + offset + 0.5) / (spread * std::sqrt(2.0)));
    const auto count = static_cast<uint64_t>(kSymbols * (above - below) / 2);
    if (count > 0 || v == 0) histogram.emplace_back(v, std::max<uint64_t>(1, count));
  }
  return fit_table(histogram, range);
}

// What table t codes.
double spread_of(int t, int centre, double octaves) {
  return std::exp2(std::clamp(octaves + (t - centre) / 4.0, -6.0, 9.0));
}

// Without tables yet; `unions` of them for each class.
EncoderCodec with_tables(unsigned levels, unsigned chunk, unsigned unions) {
  static_assert(kLevels * kChunk == kClasses && kTrellisLevels * kTrellisChunk == 2 * kClasses);
  EncoderCodec codec;
  codec.decoder.synthesis = codec.analysis = identity_transform(levels, chunk);
  codec.decoder.tables.levels = levels;
  codec.decoder.tables.channels = chunk;
  codec.decoder.tables.centers.assign(levels * chunk, 0.0f);
  codec.decoder.tables.set.reserve(size_t{kClasses} * unions);
  codec.nmse.assign(levels, 1.0f / 12);
  return codec;
}

}  // namespace

EncoderCodec plain_codec(int centre, double octaves) {
  EncoderCodec codec = with_tables(kLevels, kChunk, 1);
  for (int t = 0; t < kClasses; ++t) codec.decoder.tables.set.push_back(gaussian_table(spread_of(t, centre, octaves)));
  return codec;
}

EncoderCodec trellis_codec(const Trellis& trellis, int centre, double octaves) {
  EncoderCodec codec = with_tables(kTrellisLevels, kTrellisChunk, 2);
  codec.decoder.trellis = trellis;
  for (const double offset : {0.0, 0.5}) {  // of k from the number that 2 k or 2 k + 1 is twice
    for (int t = 0; t < kClasses; ++t)
      codec.decoder.tables.set.push_back(gaussian_table(spread_of(t, centre, octaves) / 2, offset, TableRange::kEven));
  }
  return codec;
}

}  // namespace nwc
