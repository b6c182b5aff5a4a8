#include "encode/column_scales.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "support/tiny_codec.h"

namespace nwc {
namespace {

using testing::OwnedMatrix;

constexpr float kMax = std::numeric_limits<float>::max();

ColumnScales scales_of(const OwnedMatrix& m, double gain = 1.0, int threads = 1) {
  Result<ColumnScales> scales = column_scales(m.matrix(), gain, threads);
  EXPECT_TRUE(scales.ok()) << scales.error().to_string();
  return scales ? *std::move(scales) : ColumnScales{};
}

TEST(ColumnScales, LiteralValues) {
  // Columns (3, 4), (0, 0), (-1, -1), (2^-20, 0).
  const ColumnScales scales = scales_of(OwnedMatrix("w", DType::kF32, {2, 4}, {3, 0, -1, 0x1p-20f, 4, 0, -1, 0}));
  EXPECT_EQ(scales.exponent, -14);  // sqrt(12.5) = 3.5355 lies in [2, 4), so that its mantissa lies in [2^15, 2^16)
  ASSERT_EQ(scales.values.size(), 4u);
  EXPECT_EQ(scales.values[0], 57920 * 0x1p-14f);  // 57926.1 to the nearest multiple of 32
  EXPECT_EQ(scales.values[1], 0.0f);
  EXPECT_EQ(scales.values[2], 1.0f);
  EXPECT_NEAR(scales.values[3], 0x1p-20f / std::sqrt(2.0f), 0x1p-31f);
  EXPECT_EQ(scales.mantissas[1], 0u);
  EXPECT_EQ(scales.mantissas[2], 0x7400u);  // 2^14
}

TEST(ColumnScales, GainDividesThem) {
  const OwnedMatrix m("w", DType::kF32, {2, 2}, {1, 3, 1, 3});
  const ColumnScales scales = scales_of(m, 4.0);
  EXPECT_EQ(scales.values[0], 0.25f);
  EXPECT_EQ(scales.values[1], 0.75f);
}

TEST(ColumnScales, StoredFormAndValuesAgree) {
  std::mt19937 random(1);
  const OwnedMatrix m("w", DType::kBF16, {3, 40, 70}, testing::random_values(3 * 40 * 70, 0.02, random));
  const ColumnScales scales = scales_of(m);
  ASSERT_EQ(scales.values.size(), 210u);
  ASSERT_EQ(scales.mantissas.size(), 210u);
  for (size_t i = 0; i < 210; ++i) {
    double squares = 0;
    for (uint64_t r = 0; r < 40; ++r) squares += std::pow(m.matrix().at(m.matrix().index_of(i / 70, r, i % 70)), 2);
    EXPECT_NEAR(scales.values[i] / std::sqrt(squares / 40), 1.0, 0x1p-11);
    EXPECT_EQ(scales.values[i], static_cast<float>(std::ldexp(static_cast<double>(float_from_half(scales.mantissas[i])), scales.exponent)));
  }
}

TEST(ColumnScales, IndependentOfThreadsAndStorageOrder) {
  std::mt19937 random(2);
  const std::vector<float> values = testing::random_values(2 * 30 * 600, 1.0, random);
  std::vector<float> swapped(values.size());
  for (size_t m = 0; m < 2; ++m) {
    for (size_t r = 0; r < 30; ++r) {
      for (size_t c = 0; c < 600; ++c) swapped[m * 18000 + c * 30 + r] = values[m * 18000 + r * 600 + c];
    }
  }
  const OwnedMatrix plain("w", DType::kF32, {2, 30, 600}, values), transposed("w", DType::kF32, {2, 600, 30}, swapped, true);
  const ColumnScales one = scales_of(plain, 1.0, 1);
  for (const ColumnScales& other : {scales_of(plain, 1.0, 3), scales_of(transposed, 1.0, 2)}) {
    EXPECT_EQ(other.values, one.values);
    EXPECT_EQ(other.mantissas, one.mantissas);
    EXPECT_EQ(other.exponent, one.exponent);
  }
}

TEST(ColumnScales, EveryFiniteMagnitudeHasAFiniteScale) {
  for (const double gain : {1.0, 1.0 / 64, 64.0}) {
    for (const float weight : {kMax, 3e38f, 1.0f, 1e-38f, std::numeric_limits<float>::denorm_min()}) {
      const ColumnScales scales = scales_of(OwnedMatrix("w", DType::kF32, {3, 1}, {weight, -weight, weight}), gain);
      EXPECT_TRUE(std::isfinite(scales.values[0])) << weight;
      EXPECT_TRUE(scales.values[0] > 0 || (weight < 1e-37f && gain > 1)) << weight;
      EXPECT_TRUE(gain != 1.0 || std::abs(scales.values[0] / weight - 1) < 1e-3) << weight;
    }
  }
}

TEST(ColumnScales, SmallColumnsBesideLargeOnesKeepTheirs) {
  const ColumnScales scales = scales_of(OwnedMatrix("w", DType::kF32, {1, 4}, {1.0f, 0x1p-25f, 0x1p-38f, 0x1p-60f}));
  EXPECT_EQ(scales.values[1], 0x1p-25f);
  EXPECT_EQ(scales.values[2], 0x1p-38f);
  EXPECT_EQ(scales.values[3], 0x1p-39f) << "the smallest there is beside 1, rather than none";
}

TEST(ColumnScales, NothingWithoutRowsOrColumns) {
  EXPECT_EQ(scales_of(OwnedMatrix("w", DType::kF32, {0, 3}, {})).values, (std::vector<float>{0, 0, 0}));
  EXPECT_TRUE(scales_of(OwnedMatrix("w", DType::kF32, {3, 0}, {})).values.empty());
  EXPECT_TRUE(scales_of(OwnedMatrix("w", DType::kF32, {0, 3, 3}, {})).values.empty());
}

TEST(ColumnScales, TheFirstWeightThatIsNotFiniteIsNamed) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    std::vector<float> values(6 * 5, 1.0f);
    values[3 * 5 + 2] = std::numeric_limits<float>::quiet_NaN();
    values[4 * 5 + 1] = -std::numeric_limits<float>::infinity();
    const OwnedMatrix m("layer.7.weight", dtype, {6, 5}, values);
    const Result<ColumnScales> scales = column_scales(m.matrix(), 1.0, 2);
    ASSERT_FALSE(scales.ok());
    EXPECT_EQ(scales.error().code(), ErrorCode::kNonFinite);
    EXPECT_EQ(scales.error().tensor(), "layer.7.weight");
    EXPECT_EQ(scales.error().message(), "weight [3, 2] is NaN");
  }
  const OwnedMatrix m("w", DType::kF32, {1, 1}, {-std::numeric_limits<float>::infinity()});
  EXPECT_EQ(column_scales(m.matrix(), 1.0, 1).error().message(), "weight [0, 0] is infinite");
}

}  // namespace
}  // namespace nwc
