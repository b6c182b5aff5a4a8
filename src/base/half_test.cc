#include "base/half.h"

#include <gtest/gtest.h>

namespace nwc {
namespace {

TEST(Half, KnownValues) {
  EXPECT_EQ(half_from_float(1.0f), 0x3C00);
  EXPECT_EQ(half_from_float(-2.0f), 0xC000);
  EXPECT_EQ(half_from_float(65504.0f), 0x7BFF);
  EXPECT_EQ(half_from_float(65519.0f), 0x7BFF);
  EXPECT_EQ(half_from_float(1e9f), 0x7BFF) << "finite values saturate";
  EXPECT_EQ(half_from_float(-1e9f), 0xFBFF);
  EXPECT_EQ(half_from_float(INFINITY), 0x7C00);
  EXPECT_EQ(half_from_float(0x1p-24f), 0x0001);
  EXPECT_EQ(half_from_float(0x1p-25f), 0x0000) << "ties go to even";
  EXPECT_EQ(half_from_float(0x1.8p-24f), 0x0002) << "ties go to even";
  EXPECT_EQ(half_from_float(1.0f + 0x1p-11f), 0x3C00) << "ties go to even";
  EXPECT_EQ(half_from_float(1.0f + 0x1.8p-10f), 0x3C02) << "ties go to even";
  EXPECT_EQ(half_from_float(-0.0f), 0x8000);
}

TEST(Half, EveryHalfSurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = float_from_half(static_cast<uint16_t>(bits));
    if (std::isnan(value)) continue;
    EXPECT_EQ(half_from_float(value), bits);
  }
}

TEST(Bf16, KnownValues) {
  EXPECT_EQ(bf16_from_float(1.0f), 0x3F80);
  EXPECT_EQ(bf16_from_float(1.0f + 0x1p-8f), 0x3F80) << "ties go to even";
  EXPECT_EQ(bf16_from_float(1.0f + 0x1.8p-7f), 0x3F82) << "ties go to even";
  EXPECT_EQ(bf16_from_float(std::numeric_limits<float>::max()), 0x7F7F) << "saturates";
  EXPECT_EQ(bf16_from_float(-std::numeric_limits<float>::max()), 0xFF7F);
  EXPECT_EQ(bf16_from_float(INFINITY), 0x7F80);
  EXPECT_TRUE(std::isnan(float_from_bf16(bf16_from_float(NAN))));
}

TEST(Bf16, EveryBf16SurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = float_from_bf16(static_cast<uint16_t>(bits));
    if (std::isnan(value)) continue;
    EXPECT_EQ(bf16_from_float(value), bits);
  }
}

}  // namespace
}  // namespace nwc
