#include "tensor/felt_error.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "codec/encode/plain_codec.h"
#include "decode/tensor_decoder.h"
#include "guide/guide_source.h"
#include "guide/sensitivity.h"
#include "support/felt_checkpoint.h"
#include "tensor/tensor_encoder.h"

namespace nwc {
namespace {

using testing::FeltCheckpoint;

class FeltErrors : public ::testing::Test {
 protected:
  const TensorView& view(int block) const { return *checkpoint_.find(FeltCheckpoint::name(block)).tensor; }

  FeltCheckpoint felt_;
  Checkpoint checkpoint_ = *Checkpoint::open(felt_.model());
  HessianStore hessians_ = *HessianStore::open(felt_.hessians());
};

TEST_F(FeltErrors, OfRowsIsTheDefinition) {
  const WeightMatrix weights = *WeightMatrix::load(view(0), false, 1);
  const std::optional<FeltError> felt = *FeltError::of(hessians_, view(0), weights);
  ASSERT_TRUE(felt);
  std::mt19937 random(4);
  const uint64_t rows = FeltCheckpoint::kRows, columns = FeltCheckpoint::kColumns;
  const std::vector<float> errors = testing::random_values(rows * columns, 0.1, random);
  std::vector<float> zeros(errors.size(), 0.0f);
  double sum = 0;
  for (uint64_t first = 0; first < rows; first += 50) {  // not a divisor
    const uint64_t count = std::min<uint64_t>(50, rows - first);
    std::vector<float> x(columns * kFormRows, 0.0f);
    for (uint64_t i = 0; i < count; ++i) {
      for (uint64_t k = 0; k < columns; ++k) x[k * kFormRows + i] = errors[(first + i) * columns + k];
    }
    sum += felt->of_rows(0, first, count, x.data(), current_isa());
  }
  EXPECT_NEAR(sum / testing::felt_by_definition(felt_.fishers[0], zeros, errors), 1, 1e-5);
  EXPECT_NEAR(felt->inputs_per_token(), 16 * 96.0 / 4096, 1e-12) << "where calibration did not say what tokens count";
  const std::optional<FeltError> known = *FeltError::of(hessians_, view(1), *WeightMatrix::load(view(1), false, 1));
  EXPECT_NEAR(known->inputs_per_token(), 96.0 / FeltCheckpoint::kEffective, 1e-12);
}

TEST_F(FeltErrors, UnknownWhereNoGradientCame) {
  EXPECT_FALSE(*FeltError::of(hessians_, view(2), *WeightMatrix::load(view(2), false, 1)));
}

// All rows in the sample: the very errors that the encoder makes.
TEST_F(FeltErrors, SampleIsWhatEncodingDoes) {
  const WeightMatrix weights = *WeightMatrix::load(view(1), false, 1);
  const std::optional<FeltError> felt = *FeltError::of(hessians_, view(1), weights);
  for (const Feedback feedback : {Feedback::kColumns, Feedback::kNone}) {
    GuideSource guides(&hessians_, {.steps = StepRule::kSensitivity, .feedback = feedback}, {}, 1);
    guides.set_centre(-8.0);  // weights spread over some three steps
    const TensorGuide guide = *guides.guide_of(view(1), weights, {}, nullptr);
    const EncoderCodec codec = plain_codec(kCentreContext, 1.0);
    const Encoder encoder(codec, 7);
    const EncodeOptions options{.rate_weight = kBestRateWeight, .normalisation = {.kind = Normalisation::kTensor}};
    const EncodedTensor encoded = *encode_tensor(weights, guide, encoder, options, 1);
    const TensorDecoder decoder =
        *TensorDecoder::open(weights.name, encoded.stream, encoded.scales, encoded.levels, encoder.codec());
    std::vector<float> decoded(weights.elements());
    ASSERT_TRUE(decoder.decode(DType::kF32, std::as_writable_bytes(std::span(decoded)), 1));
    const double wanted = testing::felt_by_definition(felt_.fishers[1], felt_.weights[1], decoded);
    const Result<double> sampled = sample_felt_error(weights, guide, encoder, options, *felt, 64, 2);
    ASSERT_TRUE(sampled) << sampled.error().to_string();
    EXPECT_NEAR(*sampled / wanted, 1, 1e-4);
    EXPECT_EQ(*sample_felt_error(weights, guide, encoder, options, *felt, 64, 1), *sampled) << "threads change nothing";
    EXPECT_NEAR(*sample_felt_error(weights, guide, encoder, options, *felt, 1, 1) / wanted, 1, 0.1) << "half the rows";
  }
}

// The definition with rows that work together: tr(G E H E^T) / (2 tr G).
double felt_two_sided(const StoredFisher& fisher, const std::vector<float>& original,
                      const std::vector<float>& decoded) {
  const uint64_t m = fisher.output_features, n = fisher.features;
  const auto at = [](const std::vector<float>& triangle, uint64_t i, uint64_t j) {
    const uint64_t a = std::max(i, j), b = std::min(i, j);
    return static_cast<double>(triangle[a * (a + 1) / 2 + b]);
  };
  std::vector<double> error(m * n), eh(m * n);
  for (size_t i = 0; i < error.size(); ++i) error[i] = static_cast<double>(decoded[i]) - original[i];
  for (uint64_t r = 0; r < m; ++r) {
    for (uint64_t k = 0; k < n; ++k) {
      for (uint64_t j = 0; j < n; ++j) eh[r * n + k] += error[r * n + j] * at(fisher.inputs, j, k);
    }
  }
  double sum = 0, trace = 0;
  for (uint64_t r = 0; r < m; ++r) {
    trace += at(fisher.outputs, r, r);
    for (uint64_t q = 0; q < m; ++q) {
      double product = 0;
      for (uint64_t k = 0; k < n; ++k) product += eh[r * n + k] * error[q * n + k];
      sum += at(fisher.outputs, r, q) * product;
    }
  }
  return sum / trace / 2;
}

// Rows are sampled alone, with the weight that is left of them when the others have made up for their errors.
TEST_F(FeltErrors, OfTwoSidedFeedbackByPivots) {
  const WeightMatrix weights = *WeightMatrix::load(view(1), false, 1);
  const std::optional<FeltError> felt = *FeltError::of(hessians_, view(1), weights);
  StoredFisher fisher = felt_.fishers[1];
  for (uint64_t i = 0; i < fisher.output_features; ++i) {
    for (uint64_t j = 0; j <= i; ++j) {
      fisher.outputs.push_back(static_cast<float>(std::pow(0.6, static_cast<double>(i - j)) *
                                                  std::sqrt(double{fisher.rows[i]} * fisher.rows[j])));
    }
  }
  const std::vector<int64_t> tokens{int64_t{1} << 40};
  GuideOptions guide_options{
      .steps = StepRule::kSensitivity, .feedback = Feedback::kTwoSided, .row_shrinkage = 0, .ldl = {.damping = 0}};
  TensorGuide guide = *make_sensitivity_guide(fisher, {tokens, tokens[0]}, weights, guide_options, 1, nullptr);
  ASSERT_TRUE(settle_steps(weights, -8.0, 1, guide));
  const Encoder encoder(plain_codec(kCentreContext, 1.0), 7);
  const EncodeOptions options{.rate_weight = kBestRateWeight, .normalisation = {.kind = Normalisation::kTensor}};
  const EncodedTensor encoded = *encode_tensor(weights, guide, encoder, options, 1);
  const TensorDecoder decoder =
      *TensorDecoder::open(weights.name, encoded.stream, encoded.scales, encoded.levels, encoder.codec());
  std::vector<float> decoded(weights.elements());
  ASSERT_TRUE(decoder.decode(DType::kF32, std::as_writable_bytes(std::span(decoded)), 1));
  const double wanted = felt_two_sided(fisher, felt_.weights[1], decoded);
  EXPECT_NEAR(*sample_felt_error(weights, guide, encoder, options, *felt, 64, 2) / wanted, 1, 0.05);
  guide.row_feedback.clear();
  EXPECT_GT(*sample_felt_error(weights, guide, encoder, options, *felt, 64, 2) / wanted, 1.3)
      << "rows hardly help each other: the test shows nothing";
}

}  // namespace
}  // namespace nwc
