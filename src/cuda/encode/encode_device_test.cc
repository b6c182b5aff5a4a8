// The encoder's device against the cores: the same sums, factors and bytes; for codecs on the tensor cores, the same
// distortion. Skips without a device.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "compress/compress.h"
#include "decode/tensor_decoder.h"
#include "guide/guide.h"
#include "support/tiny_codec.h"
#include "tensor/device.h"
#include "tensor/tensor_encoder.h"
#include "tensor/tensor_sample.h"

namespace nwc {
namespace {

using testing::OwnedMatrix;
using testing::random_values;

class EncodeDeviceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Result<std::unique_ptr<EncodeDevice>> opened = open_encode_device("cuda");
    if (!opened) GTEST_SKIP() << opened.error().to_string();
    device = *std::move(opened);
  }
  std::unique_ptr<EncodeDevice> device;
};

EncoderCodec shipped(const std::string& name) {
  Result<EncoderCodec> codec = read_encoder_codec(std::string(NWC_SOURCE_DIR) + "/codecs/" + name + ".safetensors");
  EXPECT_TRUE(codec.ok());
  return *std::move(codec);
}

// A second moment of inputs whose neighbours are correlated, some of them large.
std::vector<float> correlated_triangle(uint64_t n, uint32_t seed) {
  std::mt19937 random(seed);
  const std::vector<float> scale = random_values(n, 0.6, random);
  std::vector<float> triangle;
  for (uint64_t i = 0; i < n; ++i) {
    for (uint64_t j = 0; j <= i; ++j)
      triangle.push_back(
          static_cast<float>(std::pow(0.95, static_cast<double>(i - j)) * std::exp(scale[i] + scale[j])));
  }
  return triangle;
}

std::vector<float> weights_with_tails(uint64_t count, std::mt19937& random) {
  std::vector<float> values = random_values(count, 0.02, random);
  for (float& v : values) {
    if (random() % 2000 == 0) v *= 40;
  }
  return values;
}

struct Case {
  std::vector<uint64_t> dims;
  bool transposed = false;
  DType dtype = DType::kBF16;
  bool levels = true, feedback = true;
  uint32_t block_size = 1;
  Normalisation normalisation = Normalisation::kBoth;
};

struct Encoded {
  EncodedTensor tensor;
  TensorSample sample;
};

// On `device`, or on the cores if it is null.
Encoded encode(const Case& c, const EncoderCodec& codec, EncodeDevice* device, uint32_t seed) {
  std::mt19937 random(seed);
  uint64_t elements = 1;
  for (const uint64_t d : c.dims) elements *= d;
  const OwnedMatrix owned("w", c.dtype, c.dims, weights_with_tails(elements, random), c.transposed);
  const WeightMatrix weights = owned.matrix();
  std::shared_ptr<const DeviceQuantiser> quantiser;
  std::shared_ptr<const DeviceWeights> there;
  if (device != nullptr) {
    there = *device->upload(weights);
    quantiser = *device->quantiser(codec);
  }
  const Encoder encoder(codec, 7, quantiser);
  EncodeOptions options{.tile_chunks = 512};
  options.normalisation.kind = c.normalisation;
  TensorGuide guide;
  if (c.levels || c.feedback) {
    const WeightScales scales = *weight_scales(weights, options.normalisation, {}, 0, there.get());
    const std::vector<double> rms(scales.columns.begin(), scales.columns.end());
    std::vector<std::vector<float>> triangles;
    std::vector<HessianView> views;
    for (uint64_t m = 0; m < weights.matrices; ++m)
      triangles.push_back(correlated_triangle(weights.columns, seed + static_cast<uint32_t>(m)));
    for (const std::vector<float>& t : triangles) views.push_back({t, weights.columns});
    GuideOptions guide_options{.levels = c.levels, .feedback = c.feedback ? Feedback::kColumns : Feedback::kNone};
    guide_options.ldl.block_size = c.block_size;
    guide_options.importance.shares = {0.02, 0.05, 0.1};
    Result<TensorGuide> made =
        make_guide(views, weights.matrices, weights.columns, rms, encoder.level_errors(), guide_options, 0, device);
    EXPECT_TRUE(made.ok()) << made.error().to_string();
    guide = *std::move(made);
  }
  Result<EncodedTensor> encoded = encode_tensor(weights, guide, encoder, options, 0, there.get());
  EXPECT_TRUE(encoded.ok()) << encoded.error().to_string();
  Result<TensorSample> sample = sample_tensor(weights, guide, encoder, options, 4, 0, there.get());
  EXPECT_TRUE(sample.ok());
  return {*std::move(encoded), *std::move(sample)};
}

TEST_F(EncodeDeviceTest, SumsOfSquaresAreTheCores) {
  std::mt19937 random(1);
  for (const bool transposed : {false, true}) {
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
      const OwnedMatrix owned("w", dtype, {3, 77, 131}, weights_with_tails(3 * 77 * 131, random), transposed);
      const WeightMatrix plain = owned.matrix();
      const std::shared_ptr<const DeviceWeights> there = *device->upload(plain);
      for (const Normalisation kind :
           {Normalisation::kColumn, Normalisation::kRow, Normalisation::kBoth, Normalisation::kTensor}) {
        const WeightScales expected = *weight_scales(plain, {.kind = kind}, {}, 0),
                           scales = *weight_scales(plain, {.kind = kind}, {}, 0, there.get());
        EXPECT_EQ(scales.stored, expected.stored) << name_of(kind);
        EXPECT_EQ(scales.exponent, expected.exponent);
      }
      EXPECT_EQ(*there->squares_of_columns({}), *there->squares_of_columns(std::vector<double>(3 * plain.rows, 1.0)));
    }
  }
}

TEST_F(EncodeDeviceTest, WeightsThatAreNotFiniteAreNamed) {
  std::vector<float> values(40 * 50, 0.5f);
  values[13 * 50 + 21] = std::numeric_limits<float>::quiet_NaN();
  const OwnedMatrix owned("w", DType::kF32, {40, 50}, values);
  const WeightMatrix weights = owned.matrix();
  const std::shared_ptr<const DeviceWeights> there = *device->upload(weights);
  const Result<WeightScales> scales = weight_scales(weights, {}, {}, 1, there.get());
  ASSERT_FALSE(scales.ok());
  EXPECT_EQ(scales.error().code(), ErrorCode::kNonFinite);
  EXPECT_NE(scales.error().to_string().find("[13, 21] is NaN"), std::string::npos) << scales.error().to_string();
}

TEST_F(EncodeDeviceTest, FactorsAreTheCores) {
  for (const uint64_t n : {1, 31, 32, 33, 200, 517}) {
    for (const uint32_t block : {1u, 5u, 32u, 128u}) {
      const std::vector<float> triangle = correlated_triangle(n, static_cast<uint32_t>(n));
      std::vector<uint32_t> order(n);
      for (uint64_t i = 0; i < n; ++i)
        order[i] = static_cast<uint32_t>((i * 7 + 3) % n == 0 && n % 7 == 0 ? i : n - 1 - i);
      const LdlOptions options{.block_size = block};
      const FeedbackFactor expected = *factorise(triangle, n, order, options, 0);
      Result<FeedbackFactor> factor = device->factorise(triangle, n, order, options);
      ASSERT_TRUE(factor.ok());
      EXPECT_EQ(factor->pivots, expected.pivots) << n << " columns, blocks of " << block;
      EXPECT_EQ(factor->damping, expected.damping);
      EXPECT_EQ(factor->order, expected.order);
    }
  }
}

TEST_F(EncodeDeviceTest, HessiansThatAreNotPositiveDefiniteAreDampedAlike) {
  // [[1, 3], [3, 1]] has a negative eigenvalue that no allowed damping lifts; [[1, 1.05], [1.05, 1]] one that some
  // does.
  EXPECT_EQ(device->factorise(std::vector<float>{1, 3, 1}, 2, {0, 1}, {}).error().code(), ErrorCode::kCorrupt);
  const std::vector<float> bad{1, 1.05f, 1};
  const FeedbackFactor expected = *factorise(bad, 2, {0, 1}, {}, 1), factor = *device->factorise(bad, 2, {0, 1}, {});
  EXPECT_GT(factor.damping, 0.01);
  EXPECT_EQ(factor.damping, expected.damping);
  EXPECT_EQ(factor.pivots, expected.pivots);
}

// Weights may stand in either memory, factors only in the device's.
TEST_F(EncodeDeviceTest, TakesWeightsFromEitherMemoryAndFactorsFromItsOwn) {
  const EncoderCodec codec = shipped("fast-100");
  std::mt19937 random(3);
  const OwnedMatrix owned("w", DType::kBF16, {64, 96}, weights_with_tails(64 * 96, random));
  const std::vector<float> triangle = correlated_triangle(96, 3);
  const HessianView view{triangle, 96};
  const WeightMatrix weights = owned.matrix();
  const std::shared_ptr<const DeviceWeights> there = *device->upload(weights);
  const Encoder encoder(codec, 7, *device->quantiser(codec));
  const std::vector<double> rms(96, 0.02);
  const auto guide_by = [&](Factoriser* factoriser) {
    return *make_guide({&view, 1}, 1, 96, rms, encoder.level_errors(), {.levels = false}, 1, factoriser);
  };
  const TensorGuide guide = guide_by(device.get());
  EXPECT_TRUE(encode_tensor(weights, guide, encoder, {}, 1)->stream ==
              encode_tensor(weights, guide, encoder, {}, 1, there.get())->stream);
  const Result<EncodedTensor> refused = encode_tensor(weights, guide_by(nullptr), encoder, {}, 1, there.get());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kInternal) << refused.error().to_string();
}

// Symbols, tables, patches and escapes: whole streams.
TEST_F(EncodeDeviceTest, SmallCodecsGiveTheCoresBytes) {
  const EncoderCodec codec = shipped("fast-100");
  ASSERT_TRUE((*device->quantiser(codec))->exact());
  const std::vector<Case> cases{
      {.dims = {64, 96}},
      {.dims = {200, 333}, .levels = false},
      {.dims = {333, 200}, .transposed = true, .dtype = DType::kF32},
      {.dims = {100, 500}, .dtype = DType::kF16, .block_size = 128},
      {.dims = {48, 300}, .block_size = 20},
      {.dims = {3, 40, 70}, .normalisation = Normalisation::kColumn},
      {.dims = {2, 70, 65}, .transposed = true, .block_size = 64},
      {.dims = {10000, 40}, .levels = false},  // teams of two stripes
      {.dims = {512, 1024}, .feedback = false},
      {.dims = {17, 1}, .levels = false, .feedback = false},
      {.dims = {3000, 700}, .levels = false, .feedback = false},
      {.dims = {3, 50, 300}, .feedback = false},
      {.dims = {0, 16}, .levels = false, .feedback = false},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE("case " + std::to_string(i));
    const Encoded expected = encode(cases[i], codec, nullptr, static_cast<uint32_t>(i)),
                  encoded = encode(cases[i], codec, device.get(), static_cast<uint32_t>(i));
    EXPECT_EQ(encoded.tensor.scales, expected.tensor.scales);
    EXPECT_EQ(encoded.tensor.levels, expected.tensor.levels);
    EXPECT_TRUE(encoded.tensor.stream == expected.tensor.stream);
    EXPECT_EQ(encoded.sample.symbols.histograms, expected.sample.symbols.histograms);
    const EncodeStatistics &a = encoded.tensor.statistics, &b = expected.tensor.statistics;
    EXPECT_EQ(a.escapes, b.escapes);
    EXPECT_EQ(a.patches, b.patches);
    EXPECT_NEAR(a.squared_error, b.squared_error, 1e-6 * b.squared_error);
    EXPECT_NEAR(a.normalised_squared_error, b.normalised_squared_error, 1e-6 * b.normalised_squared_error);
    EXPECT_NEAR(a.squared_weight, b.squared_weight, 1e-6 * b.squared_weight);
    EXPECT_NEAR(a.weighted_error, b.weighted_error, 1e-6 * b.weighted_error);
  }
}

// A network of another shape takes the kernels of any codec, which are exact too.
TEST_F(EncodeDeviceTest, OtherCodecsGiveTheCoresBytes) {
  EncoderCodec codec = shipped("fast-100");
  codec.analysis.in_weight[5] += 1e-7f;  // no longer binary16
  ASSERT_TRUE((*device->quantiser(codec))->exact());
  const std::vector<Case> cases{
      {.dims = {64, 96}},
      {.dims = {100, 300}, .dtype = DType::kF16, .block_size = 128},
      {.dims = {3, 40, 70}, .block_size = 33},
      {.dims = {2, 70, 65}, .transposed = true, .levels = false, .feedback = false},
      {.dims = {512, 1024}, .feedback = false},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE("case " + std::to_string(i));
    const Encoded expected = encode(cases[i], codec, nullptr, static_cast<uint32_t>(i)),
                  encoded = encode(cases[i], codec, device.get(), static_cast<uint32_t>(i));
    EXPECT_TRUE(encoded.tensor.stream == expected.tensor.stream);
    EXPECT_EQ(encoded.tensor.statistics.patches, expected.tensor.statistics.patches);
    EXPECT_NEAR(encoded.tensor.statistics.squared_error, expected.tensor.statistics.squared_error,
                1e-6 * expected.tensor.statistics.squared_error);
  }
}

// Decoded by the CPU, what the tensor cores encode is as near to the weights as what the cores encode: to 0.02 dB, at a
// rate within 0.1 %.
TEST_F(EncodeDeviceTest, PaperCodecsGiveTheCoresDistortion) {
  for (const std::string name : {"paper-100", "paper-1000"}) {
    const EncoderCodec codec = shipped(name);
    for (const Case& c : {Case{.dims = {512, 1024}, .block_size = 128}, Case{.dims = {512, 1024}, .feedback = false},
                          Case{.dims = {512, 256}}}) {
      const EncodedTensor expected = encode(c, codec, nullptr, 5).tensor,
                          encoded = encode(c, codec, device.get(), 5).tensor;
      const EncodeStatistics &a = encoded.statistics, &b = expected.statistics;
      EXPECT_NEAR(10 * std::log10(a.squared_error / b.squared_error), 0.0, 0.02) << name;
      EXPECT_NEAR(a.table_bits / b.table_bits, 1.0, 1e-3) << name;
      if (c.feedback && c.block_size == 1) {
        EXPECT_NEAR(10 * std::log10(a.weighted_error / b.weighted_error), 0.0, 0.02) << name;
      }
      // What the decoder makes of it is what the statistics say.
      const Codec shared(codec.decoder, 7);
      const Result<TensorDecoder> decoder =
          TensorDecoder::open("w", encoded.stream, encoded.scales, encoded.levels, shared);
      ASSERT_TRUE(decoder.ok());
      std::vector<std::byte> out(decoder->header().elements() * 4);
      ASSERT_TRUE(decoder->decode(DType::kF32, out, 0).ok());
      const std::vector<float> decoded = testing::floats_of(DType::kF32, out);
      std::mt19937 random(5);
      const OwnedMatrix owned("w", c.dtype, c.dims, weights_with_tails(decoded.size(), random), c.transposed);
      double error = 0;
      for (size_t i = 0; i < decoded.size(); ++i) error += std::pow(double{decoded[i]} - owned.matrix().at(i), 2);
      EXPECT_NEAR(10 * std::log10(error / a.squared_error), 0.0, 0.01) << name;
    }
  }
}

TEST(EncodeDeviceOpen, RefusesWhatIsNoDevice) {
  for (const char* text : {"gpu", "cuda:", "cuda:x", "cuda:-1", "cuda0"})
    EXPECT_EQ(open_encode_device(text).error().code(), ErrorCode::kInvalidArgument) << text;
  EXPECT_EQ(*open_encode_device("cpu"), nullptr);
  EXPECT_EQ(open_encode_device("cuda:99").error().code(), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace nwc
