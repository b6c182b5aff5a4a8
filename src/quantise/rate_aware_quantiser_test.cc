#include "quantise/rate_aware_quantiser.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/fixed_log2.h"
#include "codec/encode/plain_codec.h"
#include "entropy/encode/table_fit.h"
#include "quantise/transform_quantiser.h"

namespace nwc {
namespace {

constexpr size_t kStride = 64;

Encoder encoder_of(double octaves) { return Encoder(plain_codec(64, octaves), 5); }

// A ramp from -3.15 to 3.15, in every row of 64 chunks.
QuantiserScratch ramp() {
  QuantiserScratch scratch;
  scratch.chunks.resize(16 * kStride);
  for (size_t i = 0; i < scratch.chunks.size(); ++i)
    scratch.chunks[i] = 0.1f * (static_cast<float>(i % kStride) - 31.5f);
  return scratch;
}

double bits_of_value(const FrequencyTable& table, int32_t value) {
  const uint64_t cost = coding_cost({{value, 1}}, table);
  return std::ldexp(static_cast<double>(cost), -static_cast<int>(kCostBits));
}

TEST(RateAwareQuantiser, TakesTheCheapestOfAllIntegers) {
  const Encoder encoder = encoder_of(-0.5);
  for (const double weight : {0.1155, 0.3}) {
    const RateAwareQuantiser quantiser(encoder, weight);
    for (const Context context : {Context{62}, Context{68}}) {
      QuantiserScratch scratch = ramp();
      const std::vector<Context> contexts(16, context);
      quantiser.quantise({0, kStride, kStride, {}, {contexts.data(), 0}}, nullptr, Isa::kScalar, scratch);
      const FrequencyTable& table = encoder.codec().parts().tables.set[context];
      size_t moved = 0;
      for (size_t i = 0; i < kStride; ++i) {
        const double x = scratch.chunks[i];
        const int32_t v = scratch.symbols[i];
        EXPECT_EQ(scratch.decoded[i], static_cast<float>(v));
        double least = std::numeric_limits<double>::infinity();
        for (int32_t other = -5; other <= 5; ++other)
          least = std::min(least, (x - other) * (x - other) + weight * bits_of_value(table, other));
        EXPECT_NEAR((x - v) * (x - v) + weight * bits_of_value(table, v), least, 1e-5) << x;
        moved += v != static_cast<int32_t>(std::nearbyint(x));
      }
      EXPECT_GT(moved, 0u) << "the rate decides nothing: the test shows nothing";
    }
  }
}

TEST(RateAwareQuantiser, WithoutAWeightIsTheTransformQuantiser) {
  const Encoder encoder = encoder_of(1);
  QuantiserScratch a = ramp(), b = ramp();
  const std::vector<Context> contexts(16, 70);
  RateAwareQuantiser(encoder, 0).quantise({2, kStride, kStride, {}, {contexts.data(), 0}}, nullptr, current_isa(), a);
  TransformQuantiser(encoder).quantise({2, kStride, kStride}, nullptr, current_isa(), b);
  EXPECT_EQ(a.symbols, b.symbols);
  for (size_t i = 0; i < 16 * kStride; ++i) EXPECT_EQ(a.decoded[i], b.decoded[i]);
}

}  // namespace
}  // namespace nwc
