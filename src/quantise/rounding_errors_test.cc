#include "quantise/rounding_errors.h"

#include <gtest/gtest.h>

#include "codec/encode/plain_codec.h"

namespace nwc {
namespace {

TEST(RoundingErrors, FromTheWeightsThemselvesToATwelfth) {
  constexpr int kCentre = 64;
  const EncoderCodec codec = plain_codec(kCentre, 0.0);
  const std::vector<double> nearest = rounding_errors(codec.decoder, kCentre, 1.0, 0.0);
  ASSERT_EQ(nearest.size(), 128u);
  EXPECT_NEAR(nearest[kCentre - 16], 1.0 / 256, 1e-4) << "a spread of a sixteenth: all become 0";
  EXPECT_NEAR(nearest[kCentre + 16], 1.0 / 12, 1e-3) << "16 steps";
  // Of a spread of one step: the sum over cells of (x - v)^2 phi(x), computed apart.
  EXPECT_NEAR(nearest[kCentre], 0.0833, 5e-4);
  const std::vector<double> by_rate = rounding_errors(codec.decoder, kCentre, 1.0, 0.1155);
  EXPECT_GT(by_rate[kCentre], 1.04 * nearest[kCentre]) << "bits are worth some error";
  EXPECT_NEAR(by_rate[kCentre + 16] / nearest[kCentre + 16], 1, 0.02) << "few at high rates";
  EXPECT_NEAR(rounding_errors(codec.decoder, kCentre, 2.0, 0.0)[kCentre + 12], nearest[kCentre + 16], 1e-3)
      << "an octave of gain is four tables";
}

}  // namespace
}  // namespace nwc
