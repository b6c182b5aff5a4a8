// Codecs without a transform, steps by sensitivity and feedback along both sides: the device's bytes against the
// cores'. Skips without a device.
#include <gtest/gtest.h>

#include <random>

#include "codec/encode/plain_codec.h"
#include "codec/encode/trellis_codes.h"
#include "guide/sensitivity.h"
#include "support/random_fisher.h"
#include "support/tiny_codec.h"
#include "tensor/device.h"
#include "tensor/tensor_encoder.h"
#include "tensor/tensor_sample.h"

namespace nwc {
namespace {

using testing::OwnedMatrix;
using testing::random_values;

struct Case {
  std::vector<uint64_t> dims;
  Feedback feedback = Feedback::kTwoSided;
  double octaves = 0;  // of spread over step: more of them take raw bits
  bool transposed = false;
  DType dtype = DType::kBF16;
  bool own_tables = true;
  unsigned states = 0;  // of a trellis
  double size = 0.02;   // of weights
  bool zeros = false;   // every third
};

// Of letters, digits and underscores.
std::string name_of(const Case& c) {
  std::string name = c.states > 0 ? "states" + std::to_string(c.states) : "rounding";
  for (const uint64_t d : c.dims) name += "_" + std::to_string(d);
  name += c.feedback == Feedback::kTwoSided ? "_two_sided" : c.feedback == Feedback::kColumns ? "_columns" : "_alone";
  if (c.zeros) name += "_zeros";
  if (c.size < 0.01) name += "_tiny";
  if (c.size > 1) name += "_large";
  return name;
}

struct Encoded {
  EncodedTensor tensor;
  TensorSample sample;
};

// On `device`, or on the cores if it is null.
Encoded encode(const Case& c, EncodeDevice* device) {
  std::mt19937 random(11);
  uint64_t elements = 1;
  for (const uint64_t d : c.dims) elements *= d;
  std::vector<float> values = random_values(elements, c.size, random);
  for (float& v : values) {
    if (random() % 3000 == 0) v *= 2000;  // escapes
  }
  for (size_t i = 0; c.zeros && i < values.size(); i += 3) values[i] = 0;
  const OwnedMatrix owned("w", c.dtype, c.dims, values, c.transposed);
  const WeightMatrix weights = owned.matrix();
  const EncoderCodec codec = c.states > 0 ? trellis_codec(make_trellis(c.states), kCentreContext, c.octaves)
                                          : plain_codec(kCentreContext, c.octaves);
  std::shared_ptr<const DeviceQuantiser> quantiser;
  std::shared_ptr<const DeviceWeights> there;
  if (device != nullptr) {
    there = *device->upload(weights);
    quantiser = *device->quantiser(codec);
    EXPECT_TRUE(quantiser->exact());
  }
  const Encoder encoder(codec, 7, quantiser);
  const StoredFisher fisher = testing::random_fisher(weights, random);
  const std::vector<int64_t> tokens(weights.matrices, 100);
  const GuideOptions options{.steps = StepRule::kSensitivity, .feedback = c.feedback};
  Result<TensorGuide> guide = make_sensitivity_guide(fisher, {tokens, 100}, weights, options, 0, device);
  EXPECT_TRUE(guide) << guide.error().to_string();
  EXPECT_TRUE(settle_steps(weights, -c.octaves - 5, 0, *guide));
  EncodeOptions encode{.tile_chunks = 512, .own_tables = c.own_tables};
  encode.rate_weight = best_rate_weight(c.states);
  Result<EncodedTensor> encoded = encode_tensor(weights, *guide, encoder, encode, 0, there.get());
  EXPECT_TRUE(encoded) << encoded.error().to_string();
  Result<TensorSample> sample = sample_tensor(weights, *guide, encoder, encode, 2, 0, there.get());
  EXPECT_TRUE(sample) << sample.error().to_string();
  return {*std::move(encoded), *std::move(sample)};
}

class EncodePlain : public ::testing::TestWithParam<Case> {};

TEST_P(EncodePlain, GivesTheCoresBytes) {
  const Result<std::unique_ptr<EncodeDevice>> opened = open_encode_device("cuda");
  if (!opened) GTEST_SKIP() << opened.error().to_string();
  const Encoded expected = encode(GetParam(), nullptr), found = encode(GetParam(), opened->get());
  EXPECT_TRUE(found.tensor.stream == expected.tensor.stream);
  EXPECT_TRUE(found.tensor.scales == expected.tensor.scales);
  EXPECT_EQ(found.tensor.statistics.escapes, expected.tensor.statistics.escapes);
  EXPECT_NEAR(found.tensor.statistics.squared_error, expected.tensor.statistics.squared_error,
              1e-6 * expected.tensor.statistics.squared_error);
  EXPECT_NEAR(found.tensor.statistics.weighted_error, expected.tensor.statistics.weighted_error,
              1e-6 * expected.tensor.statistics.weighted_error);
  EXPECT_TRUE(found.sample.symbols.histograms == expected.sample.symbols.histograms);
  EXPECT_EQ(found.sample.other_bytes, expected.sample.other_bytes);
}

const Case kCases[] = {
    {.dims = {200, 333}},
    {.dims = {200, 333}, .feedback = Feedback::kColumns},
    {.dims = {200, 333}, .feedback = Feedback::kNone},
    {.dims = {64, 64}, .octaves = 5},
    {.dims = {129, 70}, .octaves = -1, .transposed = true, .dtype = DType::kF32},
    {.dims = {3, 70, 65}, .octaves = 1, .dtype = DType::kF16, .own_tables = false},
    {.dims = {3, 33, 200}, .feedback = Feedback::kColumns, .octaves = 6},
    {.dims = {1, 1}},
    {.dims = {17, 1}, .feedback = Feedback::kColumns},
    {.dims = {0, 16}},
    {.dims = {600, 1000}, .octaves = 0.5},
    {.dims = {200, 333}, .octaves = 1, .states = 8},
    {.dims = {200, 333}, .feedback = Feedback::kColumns, .octaves = 1, .states = 8},
    {.dims = {200, 333}, .feedback = Feedback::kNone, .octaves = 2, .states = 8},
    {.dims = {64, 64}, .octaves = 7, .states = 8},
    {.dims = {129, 70}, .transposed = true, .dtype = DType::kF32, .states = 4},
    {.dims = {3, 70, 65}, .octaves = 2, .dtype = DType::kF16, .states = 16},
    {.dims = {3, 33, 200}, .feedback = Feedback::kColumns, .octaves = 3, .states = 32},
    {.dims = {100, 130}, .octaves = 1, .states = 64},
    {.dims = {33, 40}, .states = 4},
    {.dims = {33, 40}, .octaves = 1, .states = 16},
    {.dims = {33, 40}, .octaves = 1, .states = 32},
    {.dims = {33, 40}, .octaves = 1, .states = 64},
    {.dims = {1, 1}, .states = 8},
    {.dims = {0, 16}, .states = 8},
    {.dims = {600, 1000}, .octaves = 1.5, .states = 8},
    // What is too far from 1 to be divided by way of reciprocals.
    {.dims = {128, 200}, .feedback = Feedback::kNone, .octaves = 1, .states = 8, .zeros = true},
    {.dims = {128, 200}, .octaves = 1, .dtype = DType::kF32, .states = 8, .size = 1e-6},
    {.dims = {128, 200}, .octaves = 1, .dtype = DType::kF32, .states = 8, .size = 1e3},
};

INSTANTIATE_TEST_SUITE_P(Cases, EncodePlain, ::testing::ValuesIn(kCases),
                         [](const ::testing::TestParamInfo<Case>& info) { return name_of(info.param); });

TEST(EncodePlainCases, HoldEscapes) { EXPECT_GT(encode({.dims = {200, 333}}, nullptr).tensor.statistics.escapes, 0u); }

}  // namespace
}  // namespace nwc
