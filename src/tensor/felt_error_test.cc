#include "tensor/felt_error.h"

#include <gtest/gtest.h>

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
  EXPECT_NEAR(felt->inputs_per_token(), 96.0 / 4096, 1e-12);
}

TEST_F(FeltErrors, UnknownWhereNoGradientCame) {
  EXPECT_FALSE(*FeltError::of(hessians_, view(2), *WeightMatrix::load(view(2), false, 1)));
}

// All rows in the sample: the very errors that the encoder makes.
TEST_F(FeltErrors, SampleIsWhatEncodingDoes) {
  const WeightMatrix weights = *WeightMatrix::load(view(1), false, 1);
  const std::optional<FeltError> felt = *FeltError::of(hessians_, view(1), weights);
  for (const bool feedback : {true, false}) {
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

}  // namespace
}  // namespace nwc
