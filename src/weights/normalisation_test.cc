#include "weights/normalisation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "support/tiny_codec.h"
#include "weights/square_sums.h"

namespace nwc {
namespace {

using testing::OwnedMatrix;

constexpr float kMax = std::numeric_limits<float>::max();

WeightScales scales_of(const OwnedMatrix& m, double gain = 1.0, int threads = 1) {
  Result<WeightScales> scales = weight_scales(m.matrix(), {.gain = gain}, {}, threads);
  EXPECT_TRUE(scales.ok()) << scales.error().to_string();
  return scales ? *std::move(scales) : WeightScales{};
}

TEST(WeightScales, LiteralValues) {
  // Columns (3, 4), (0, 0), (-1, -1), (2^-20, 0).
  const WeightScales scales = scales_of(OwnedMatrix("w", DType::kF32, {2, 4}, {3, 0, -1, 0x1p-20f, 4, 0, -1, 0}));
  EXPECT_EQ(scales.exponent, -14);  // sqrt(12.5) = 3.5355 lies in [2, 4), so that its mantissa lies in [2^15, 2^16)
  ASSERT_EQ(scales.columns.size(), 4u);
  EXPECT_EQ(scales.columns[0], 57920 * 0x1p-14f);  // 57926.1 to the nearest multiple of 32
  EXPECT_EQ(scales.columns[1], 0.0f);
  EXPECT_EQ(scales.columns[2], 1.0f);
  EXPECT_NEAR(scales.columns[3], 0x1p-20f / std::sqrt(2.0f), 0x1p-31f);
  EXPECT_EQ(scales.stored[1], 0u);
  EXPECT_EQ(scales.stored[2], 0x7400u);  // 2^14
}

TEST(WeightScales, GainDividesThem) {
  const OwnedMatrix m("w", DType::kF32, {2, 2}, {1, 3, 1, 3});
  const WeightScales scales = scales_of(m, 4.0);
  EXPECT_EQ(scales.columns[0], 0.25f);
  EXPECT_EQ(scales.columns[1], 0.75f);
}

TEST(WeightScales, StoredFormAndValuesAgree) {
  std::mt19937 random(1);
  const OwnedMatrix m("w", DType::kBF16, {3, 40, 70}, testing::random_values(3 * 40 * 70, 0.02, random));
  const WeightScales scales = scales_of(m);
  ASSERT_EQ(scales.columns.size(), 210u);
  ASSERT_EQ(scales.stored.size(), 210u);
  for (size_t i = 0; i < 210; ++i) {
    double squares = 0;
    for (uint64_t r = 0; r < 40; ++r) squares += std::pow(m.matrix().at(m.matrix().index_of(i / 70, r, i % 70)), 2);
    EXPECT_NEAR(scales.columns[i] / std::sqrt(squares / 40), 1.0, 0x1p-11);
    EXPECT_EQ(scales.columns[i],
              static_cast<float>(std::ldexp(static_cast<double>(float_from_half(scales.stored[i])), scales.exponent)));
  }
}

TEST(WeightScales, IndependentOfThreadsAndStorageOrder) {
  std::mt19937 random(2);
  const std::vector<float> values = testing::random_values(2 * 30 * 600, 1.0, random);
  std::vector<float> swapped(values.size());
  for (size_t m = 0; m < 2; ++m) {
    for (size_t r = 0; r < 30; ++r) {
      for (size_t c = 0; c < 600; ++c) swapped[m * 18000 + c * 30 + r] = values[m * 18000 + r * 600 + c];
    }
  }
  const OwnedMatrix plain("w", DType::kF32, {2, 30, 600}, values),
      transposed("w", DType::kF32, {2, 600, 30}, swapped, true);
  const WeightScales one = scales_of(plain, 1.0, 1);
  for (const WeightScales& other : {scales_of(plain, 1.0, 3), scales_of(transposed, 1.0, 2)}) {
    EXPECT_EQ(other.columns, one.columns);
    EXPECT_EQ(other.stored, one.stored);
    EXPECT_EQ(other.exponent, one.exponent);
  }
}

TEST(WeightScales, EveryFiniteMagnitudeHasAFiniteScale) {
  for (const double gain : {1.0, 1.0 / 64, 64.0}) {
    for (const float weight : {kMax, 3e38f, 1.0f, 1e-38f, std::numeric_limits<float>::denorm_min()}) {
      const WeightScales scales = scales_of(OwnedMatrix("w", DType::kF32, {3, 1}, {weight, -weight, weight}), gain);
      EXPECT_TRUE(std::isfinite(scales.columns[0])) << weight;
      EXPECT_TRUE(scales.columns[0] > 0 || (weight < 1e-37f && gain > 1)) << weight;
      EXPECT_TRUE(gain != 1.0 || std::abs(scales.columns[0] / weight - 1) < 1e-3) << weight;
    }
  }
}

TEST(WeightScales, SmallColumnsBesideLargeOnesKeepTheirs) {
  const WeightScales scales = scales_of(OwnedMatrix("w", DType::kF32, {1, 4}, {1.0f, 0x1p-25f, 0x1p-38f, 0x1p-60f}));
  EXPECT_EQ(scales.columns[1], 0x1p-25f);
  EXPECT_EQ(scales.columns[2], 0x1p-38f);
  EXPECT_EQ(scales.columns[3], 0x1p-39f) << "the smallest there is beside 1, rather than none";
}

TEST(WeightScales, NothingWithoutRowsOrColumns) {
  EXPECT_EQ(scales_of(OwnedMatrix("w", DType::kF32, {0, 3}, {})).columns, (std::vector<float>{0, 0, 0}));
  EXPECT_TRUE(scales_of(OwnedMatrix("w", DType::kF32, {3, 0}, {})).columns.empty());
  EXPECT_TRUE(scales_of(OwnedMatrix("w", DType::kF32, {0, 3, 3}, {})).columns.empty());
}

TEST(WeightScales, TheFirstWeightThatIsNotFiniteIsNamed) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    std::vector<float> values(6 * 5, 1.0f);
    values[3 * 5 + 2] = std::numeric_limits<float>::quiet_NaN();
    values[4 * 5 + 1] = -std::numeric_limits<float>::infinity();
    const OwnedMatrix m("layer.7.weight", dtype, {6, 5}, values);
    const Result<WeightScales> scales = weight_scales(m.matrix(), {.gain = 1.0}, {}, 2);
    ASSERT_FALSE(scales.ok());
    EXPECT_EQ(scales.error().code(), ErrorCode::kNonFinite);
    EXPECT_EQ(scales.error().tensor(), "layer.7.weight");
    EXPECT_EQ(scales.error().message(), "weight [3, 2] is NaN");
  }
  const OwnedMatrix m("w", DType::kF32, {1, 1}, {-std::numeric_limits<float>::infinity()});
  EXPECT_EQ(weight_scales(m.matrix(), {.gain = 1.0}, {}, 1).error().message(), "weight [0, 0] is infinite");
}

// Divides by the scales as the encoder does and returns the root mean squares of what is left, by row and by column.
std::pair<std::vector<double>, std::vector<double>> left_over(const OwnedMatrix& m, const WeightScales& s) {
  const WeightMatrix w = m.matrix();
  std::vector<double> rows(w.rows), columns(w.columns);
  for (uint64_t r = 0; r < w.rows; ++r) {
    for (uint64_t c = 0; c < w.columns; ++c) {
      const double x = w.at(w.index_of(0, r, c)) / s.columns[c] / s.row_factor(r);
      rows[r] += x * x / static_cast<double>(w.columns);
      columns[c] += x * x / static_cast<double>(w.rows);
    }
  }
  for (double& v : rows) v = std::sqrt(v);
  for (double& v : columns) v = std::sqrt(v);
  return {rows, columns};
}

// Weights whose rows and columns have very different sizes.
OwnedMatrix uneven_matrix(uint64_t rows, uint64_t columns) {
  std::mt19937 random(3);
  std::vector<float> values = testing::random_values(rows * columns, 1.0, random);
  const std::vector<float> a = testing::random_values(rows, 1.5, random),
                           b = testing::random_values(columns, 1.5, random);
  for (size_t i = 0; i < values.size(); ++i) values[i] *= std::exp(a[i / columns] + b[i % columns]);
  return {"w", DType::kF32, {rows, columns}, values};
}

WeightScales scales_by(const OwnedMatrix& m, Normalisation kind, double model_rms = 0) {
  const Result<WeightScales> scales = weight_scales(m.matrix(), {kind, 1.0, model_rms}, {}, 1);
  EXPECT_TRUE(scales.ok());
  EXPECT_EQ(scales->stored.size(), stored_scales(m.matrix(), kind));
  return *scales;
}

TEST(Normalisation, BothEvensOutRowsAndColumns) {
  const OwnedMatrix m = uneven_matrix(200, 150);
  const auto [rows, columns] = left_over(m, scales_by(m, Normalisation::kBoth));
  for (const double v : rows) EXPECT_NEAR(v, 1.0, 0.02);
  for (const double v : columns) EXPECT_NEAR(v, 1.0, 0.001);
}

TEST(Normalisation, RowsAlone) {
  const OwnedMatrix m = uneven_matrix(50, 80);
  const WeightScales scales = scales_by(m, Normalisation::kRow);
  EXPECT_TRUE(scales.one_scale);
  for (const double v : left_over(m, scales).first) EXPECT_NEAR(v, 1.0, 0.001);
  double squares = 0;
  for (const float f : scales.rows) squares += double{f} * f;
  EXPECT_NEAR(squares / 50, 1.0, 0.01);
}

TEST(Normalisation, OneScaleForTensorOrModel) {
  const OwnedMatrix m("w", DType::kF32, {2, 2}, {1, -1, 7, 7});
  const WeightScales tensor = scales_by(m, Normalisation::kTensor), model = scales_by(m, Normalisation::kModel, 0.25);
  EXPECT_EQ(tensor.columns, (std::vector<float>{5, 5}));
  EXPECT_EQ(model.columns, (std::vector<float>{0.25, 0.25}));
  EXPECT_EQ(tensor.stored.size(), 1u);
}

TEST(Normalisation, RowsOfZerosHaveNoFactor) {
  const OwnedMatrix m("w", DType::kF32, {3, 2}, {1, 2, 0, 0, -2, 1});
  const WeightScales scales = scales_by(m, Normalisation::kBoth);
  EXPECT_EQ(scales.rows[1], 0.0f);
  EXPECT_GT(scales.rows[0], 0.0f);
}

// The kernel against a plain loop, to the bit, on every instruction set, dtype and odd length.
TEST(SquareSums, EveryInstructionSetGivesThePlainLoop) {
  std::mt19937 random(8);
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const size_t n : {size_t{1}, size_t{7}, size_t{64}, size_t{77}}) {
      const OwnedMatrix m("w", dtype, {1, n}, testing::random_values(n, 3.0, random));
      std::vector<double> start(n), plain;
      for (double& s : start) s = static_cast<double>(random() % 1000) / 7;
      plain = start;
      for (size_t i = 0; i < n; ++i) {
        const double v = m.matrix().at(i) * 0.37;
        const double square = v * v;
        plain[i] = plain[i] + square;
      }
      for (const Isa isa : available_isas()) {
        std::vector<double> sums = start;
        add_squares(m.matrix().bytes.data(), dtype, 0.37, sums.data(), n, isa);
        EXPECT_EQ(sums, plain) << name_of(isa) << ", " << n;
      }
    }
  }
}

}  // namespace
}  // namespace nwc
