#include "decode/narrowing.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "decode/range_losses.h"
#include "decode/weight_store.h"
#include "support/tiny_codec.h"

namespace nwc {
namespace {

using testing::OwnedMatrix;

struct Narrowed {
  std::vector<std::byte> bytes;
  NarrowingLoss loss;
};
Narrowed narrowed(DType from, DType to, const std::vector<float>& values) {
  const OwnedMatrix m("w", from, {1, values.size()}, values);
  Narrowed result{std::vector<std::byte>(2 * values.size()), {}};
  result.loss = *narrow(from, m.bytes(), to, result.bytes, 1);
  return result;
}

TEST(Narrowing, CountsWhatF16CannotHold) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> values{0,        -0.0f,      1,
                                  65504,    65519,      -65520,
                                  7e4f,     -3e38f,  // 65519 rounds to the largest number, 65520 does not
                                  0x1p-24f, 0x1.8p-25f, -0x1p-25f,
                                  1e-9f,    1e-45f,  // 2^-25 is halfway to the smallest number, and even is 0
                                  infinity, -infinity,  std::nanf("")};
  const NarrowingLoss loss = narrowed(DType::kF32, DType::kF16, values).loss;
  EXPECT_EQ(loss.saturated, 3u);
  EXPECT_EQ(loss.flushed, 3u);
}

TEST(Narrowing, CountsWhatBf16CannotHold) {
  const std::vector<float> values{3.3e38f, 0x1.FEp127f, 0x1.FEFp127f, 0x1.FFp127f, -std::numeric_limits<float>::max(),
                                  1e-40f,  0x1p-133f,   0x1p-134f,    -1e-45f};
  const NarrowingLoss loss = narrowed(DType::kF32, DType::kBF16, values).loss;
  EXPECT_EQ(loss.saturated, 2u);
  EXPECT_EQ(loss.flushed, 2u) << "its smallest number is 2^-133";
}

TEST(Narrowing, GivesTheNumbersOfPlainConversion) {
  std::mt19937 random(1);
  std::vector<float> values = testing::random_values(70000, 1e4, random);  // more than one piece
  const std::vector<float> small = testing::random_values(70000, 1e-7, random);
  values.insert(values.end(), small.begin(), small.end());
  for (const auto& [from, to] :
       {std::pair{DType::kF32, DType::kF16}, {DType::kF32, DType::kBF16}, {DType::kBF16, DType::kF16}}) {
    ASSERT_TRUE(has_wider_range(from, to));
    const OwnedMatrix m("w", from, {1, values.size()}, values);
    std::vector<std::byte> plain(2 * values.size());
    convert_floats(from, m.bytes(), to, plain);
    EXPECT_EQ(narrowed(from, to, values).bytes, plain);
  }
}

TEST(Narrowing, OnlyWiderRangesLose) {
  for (const DType to : {DType::kF32, DType::kBF16, DType::kF16}) EXPECT_FALSE(has_wider_range(DType::kF16, to));
  EXPECT_FALSE(has_wider_range(DType::kBF16, DType::kF32));
  EXPECT_FALSE(has_wider_range(DType::kBF16, DType::kBF16));
}

TEST(RangeLosses, NameTensorsThatLoseMostFirst) {
  RangeLosses losses(DType::kF16);
  losses.add({"ordinary", DType::kBF16, {1000, 1000}, true}, {0, 100});  // a ten-thousandth lies next to 0
  losses.add({"large", DType::kBF16, {10, 10}, true}, {1, 0});
  losses.add({"both", DType::kBF16, {10, 10}, true}, {5, 7});
  EXPECT_EQ(losses.sum().saturated, 6u);
  EXPECT_EQ(losses.sum().flushed, 107u);
  EXPECT_EQ(losses.warnings(),
            (std::vector<std::string>{
                "both does not fit F16: of 100 weights 5 too large, cut to the largest number; 7 too small, now 0; "
                "--dtype BF16 or F32 holds them",
                "large does not fit F16: of 100 weights 1 too large, cut to the largest number; "
                "--dtype BF16 or F32 holds them"}));
  RangeLosses many(DType::kBF16);
  for (int i = 0; i < 25; ++i) many.add({std::to_string(i), DType::kF32, {4}, false}, {1, 0});
  ASSERT_EQ(many.warnings().size(), 21u);
  EXPECT_EQ(many.warnings().back(), "5 more tensors do not fit BF16");
}

}  // namespace
}  // namespace nwc
