#include "report/measure.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/tiny_codec.h"
#include "tensor/tensor_encoder.h"

namespace nwc {
namespace {

using testing::OwnedMatrix;

// A positive definite matrix that is far from diagonal, as a lower triangle.
void append_hessian(std::vector<float>& triangle, uint64_t n, std::mt19937& random) {
  const std::vector<float> x = testing::random_values(2 * n * n, 1.0, random);
  for (uint64_t i = 0; i < n; ++i) {
    for (uint64_t j = 0; j <= i; ++j) {
      double sum = 0;
      for (uint64_t t = 0; t < 2 * n; ++t) sum += x[t * n + i] * x[t * n + j];
      triangle.push_back(static_cast<float>(sum / static_cast<double>(2 * n)));
    }
  }
}

struct Case {
  uint64_t matrices, rows, columns, hessians;
  bool transposed;
};

class Measure : public ::testing::TestWithParam<Case> {};

// Against the definitions, on the tensor decoded whole.
TEST_P(Measure, IsTheDefinition) {
  const auto [matrices, rows, columns, hessians, transposed] = GetParam();
  std::mt19937 random(5);
  const std::vector<uint64_t> shape =
      transposed ? std::vector<uint64_t>{matrices, columns, rows} : std::vector<uint64_t>{matrices, rows, columns};
  const OwnedMatrix owned("model.layers.0.w", DType::kF32, shape,
                          testing::random_values(matrices * rows * columns, 0.3, random), transposed);
  const WeightMatrix w = owned.matrix();
  const EncoderCodec codec = testing::linear_codec();
  const Encoder encoder(codec, 1);
  TensorGuide guide;
  for (uint64_t k = 0; k < matrices * columns; ++k) guide.levels.push_back(static_cast<uint8_t>(k % 3));
  const EncodedTensor encoded = *encode_tensor(w, guide, encoder, {.tile_chunks = 64}, 1);
  const TensorDecoder decoder =
      *TensorDecoder::open(w.name, encoded.stream, encoded.scales, encoded.levels, encoder.codec());
  StoredHessian stored{.features = columns, .tokens = std::vector<int64_t>(hessians, 9)};
  for (uint64_t h = 0; h < hessians; ++h) append_hessian(stored.triangles, columns, random);

  std::vector<float> decoded(w.elements());
  ASSERT_TRUE(decoder.decode(DType::kF32, std::as_writable_bytes(std::span(decoded)), 1));
  const auto quadratic = [&](auto&& value) {
    double sum = 0;
    for (uint64_t m = 0; m < matrices; ++m) {
      const HessianView view = stored.views()[hessians == 1 ? 0 : m];
      for (uint64_t r = 0; r < rows; ++r) {
        for (uint64_t i = 0; i < columns; ++i) {
          for (uint64_t j = 0; j < columns; ++j) {
            const uint64_t a = std::max(i, j), b = std::min(i, j);
            sum += value(w.index_of(m, r, i)) * value(w.index_of(m, r, j)) *
                   static_cast<double>(view.triangle[a * (a + 1) / 2 + b]);
          }
        }
      }
    }
    return sum;
  };
  const auto error_at = [&](uint64_t index) { return static_cast<double>(decoded[index]) - w.at(index); };
  const auto weight_at = [&](uint64_t index) { return static_cast<double>(w.at(index)); };

  const Result<TensorMeasures> measured = measure_tensor(w, decoder, &stored, 2);
  ASSERT_TRUE(measured) << measured.error().to_string();
  EXPECT_NEAR(measured->weighted_error / quadratic(error_at), 1, 1e-5);
  EXPECT_NEAR(measured->weighted_weight / quadratic(weight_at), 1, 1e-5);
  EXPECT_NEAR(measured->squared_error / encoded.statistics.squared_error, 1, 1e-4) << "what the encoder says";
  EXPECT_NEAR(measured->squared_weight / encoded.statistics.squared_weight, 1, 1e-4);
  for (uint64_t k : {uint64_t{0}, columns - 1, matrices * columns - 1}) {
    double error = 0, weight = 0;
    for (uint64_t r = 0; r < rows; ++r) {
      const uint64_t index = w.index_of(k / columns, r, k % columns);
      error += error_at(index) * error_at(index);
      weight += weight_at(index) * weight_at(index);
    }
    EXPECT_NEAR(measured->column_error[k], error, 1e-9 * weight);
    EXPECT_NEAR(measured->column_weight[k], weight, 1e-9 * weight);
  }
  const Result<TensorMeasures> alone = measure_tensor(w, decoder, &stored, 1);
  EXPECT_EQ(alone->weighted_error, measured->weighted_error) << "threads change nothing";
  EXPECT_EQ(alone->column_error, measured->column_error);
  EXPECT_EQ(measure_tensor(w, decoder, nullptr, 1)->weighted_weight, 0);
  stored.features = columns + 1;
  EXPECT_EQ(measure_tensor(w, decoder, &stored, 1).error().code(), ErrorCode::kMismatch);
}

INSTANTIATE_TEST_SUITE_P(Shapes, Measure,
                         ::testing::Values(Case{1, 150, 33, 1, false}, Case{3, 64, 20, 3, false},
                                           Case{3, 70, 20, 1, false}, Case{2, 100, 18, 2, true}),
                         [](const auto& info) { return "Case" + std::to_string(info.index); });

}  // namespace
}  // namespace nwc
