#include "compress/rate/size_target.h"

#include <gtest/gtest.h>

namespace nwc {
namespace {

TEST(ParseSize, UnitsAndShares) {
  const auto bytes = [](const char* text) { return parse_size(text)->bytes; };
  EXPECT_EQ(bytes("123456"), 123456);
  EXPECT_EQ(bytes("17B"), 17);
  EXPECT_EQ(bytes("4.5GB"), 4.5e9);
  EXPECT_EQ(bytes("700MiB"), 700.0 * 1024 * 1024);
  EXPECT_EQ(bytes("2kB"), 2000);
  EXPECT_EQ(bytes("0.5TiB"), 0x1p39);
  EXPECT_DOUBLE_EQ(parse_size("60%")->share, 0.6);
  EXPECT_EQ(parse_size("60%")->bytes, 0);
}

TEST(ParseSize, WhatIsNone) {
  for (const char* text :
       {"", "GB", "-4GB", "4 GB", "4GB ", "0", "0%", "101%", "nan", "1e9", "4.5.6GB", "..", "4XB",
        "99999999999999999999999999999999999999999999999999999999999999999999999999999999999999999"
        "99999999999999999999999999999999999999999999999999999999999999999999999999999999999999999"
        "99999999999999999999999999999999999999999999999999999999999999999999999999999999999999999"
        "99999999999999999999999999999999999999999999999999999999999999999999999999999999999999999"}) {
    const Result<SizeTarget> size = parse_size(text);
    ASSERT_FALSE(size) << text;
    EXPECT_EQ(size.error().code(), ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(parse_size("big").error().to_string(), "'big' is no size; give one as 4.5GB, 700MiB, 123456 or 60%");
}

TEST(BitsFor, WhatIsLeftForTheWeights) {
  CompressPlan plan;
  plan.input_bytes = 3'000'000;
  plan.compressed_bytes = 2'000'000;
  plan.weights = 1'000'000;
  EXPECT_DOUBLE_EQ(*bits_for({.bytes = 1'500'000}, plan), 4);
  EXPECT_DOUBLE_EQ(*bits_for({.share = 0.5}, plan), 4);
  const Result<double> none = bits_for({.bytes = 1'100'000}, plan);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message(),
            "1100000 bytes are too few: 1000000 stay as they are, and 1000000 weights take 125000 at 1 bit, the least: "
            "1125000 in all");
  const Result<double> all = bits_for({.bytes = 2'500'001}, plan);
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().to_string(),
            "2500001 bytes are more than 1000000 weights take at 12 bits, the most: 2500000 in all; ask for a smaller "
            "size");
}

}  // namespace
}  // namespace nwc
