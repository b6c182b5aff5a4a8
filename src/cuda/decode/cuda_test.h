// What the tests of the CUDA decoder share: codecs for both sides, tensors, and the comparison with the CPU's decoder.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "cuda/decode/hooks.h"
#include "cuda/support/device_test.h"
#include "decode/tensor_decoder.h"
#include "support/tiny_codec.h"

#define SKIP_WITHOUT_DEVICE() \
  if (cuda_device_count() == 0) GTEST_SKIP() << "no CUDA device"

namespace nwc::testing {

// A codec for both sides. Its id is 99.
struct Pair {
  explicit Pair(EncoderCodec codec_)
      : codec(std::move(codec_)), encoder(codec, 99), shared(std::make_shared<const Codec>(codec.decoder, 99)) {}
  CudaDecoder device(bool oldest_instructions = false) const {
    Result<CudaDecoder> decoder = cuda::DecoderHooks::create(shared, 0, {.oldest_instructions = oldest_instructions});
    EXPECT_TRUE(decoder.ok()) << decoder.error().to_string();
    return *std::move(decoder);
  }
  // With all that the device has, and as an older device would.
  std::vector<CudaDecoder> devices() const {
    std::vector<CudaDecoder> all;
    all.push_back(device());
    all.push_back(device(true));
    return all;
  }
  EncoderCodec codec;
  Encoder encoder;
  std::shared_ptr<const Codec> shared;
};

inline Pair shipped(const std::string& name) {
  Result<EncoderCodec> codec = read_encoder_codec(std::string(NWC_SOURCE_DIR) + "/codecs/" + name + ".safetensors");
  EXPECT_TRUE(codec.ok());
  return Pair(*std::move(codec));
}

// fast-300 with two residual blocks of width 32 instead of its linear map: the same map on the first 16 units, and
// random features that disturb it a little.
inline EncoderCodec residual_small() {
  EncoderCodec codec = shipped("fast-300").codec;
  TransformWeights& w = codec.decoder.synthesis;
  const TransformWeights linear = w;
  std::mt19937 random(77);
  constexpr size_t kWidth = 32;
  w.width = kWidth, w.depth = 2, w.embedding_sets = 2;
  w.in_weight = random_values(kWidth * w.inputs, 0.05f, random);
  for (size_t i = 0; i < 16; ++i) {
    for (size_t k = 0; k < 16; ++k) w.in_weight[i * 16 + k] = i == k ? 1.0f : 0.0f;
  }
  w.in_bias.assign(kWidth, 0.0f);
  for (int b = 0; b < 2; ++b) {
    w.blocks.push_back({random_values(kWidth * kWidth, 0.2f, random), random_values(kWidth, 0.1f, random),
                        random_values(kWidth, 0.02f, random), random_values(kWidth, 0.02f, random)});
  }
  w.embedding.assign(2 * w.levels * kWidth, 1.0f);
  for (size_t l = 0; l < w.levels; ++l)
    std::copy_n(linear.embedding.begin() + static_cast<ptrdiff_t>(16 * l), 16,
                w.embedding.begin() + static_cast<ptrdiff_t>(kWidth * l));
  w.out_weight.assign(16 * kWidth, 0.0f);
  for (size_t j = 0; j < 16; ++j)
    std::copy_n(linear.out_weight.begin() + static_cast<ptrdiff_t>(16 * j), 16,
                w.out_weight.begin() + static_cast<ptrdiff_t>(kWidth * j));
  return codec;
}

inline Encoded encode(const Pair& pair, const std::vector<uint64_t>& dims, bool transposed, bool levels,
                      EncodeOptions options, double tail, std::mt19937& random) {
  uint64_t elements = 1;
  for (const uint64_t d : dims) elements *= d;
  std::vector<float> values = random_values(elements, 0.02, random);
  for (float& v : values) {
    if (tail > 0 && random() % 1000 < 1000 * tail) v *= 30;
  }
  const OwnedMatrix m("w", DType::kF32, dims, values, transposed);
  const WeightMatrix matrix = m.matrix();
  TensorGuide guide;
  if (levels) {
    guide.levels.resize((dims.size() == 3 ? dims[0] : 1) * (transposed ? dims[dims.size() - 2] : dims.back()));
    for (uint8_t& l : guide.levels) l = static_cast<uint8_t>(random() % pair.codec.decoder.levels());
  }
  Result<EncodedTensor> encoded = encode_tensor(matrix, guide, pair.encoder, options, 0);
  EXPECT_TRUE(encoded.ok()) << encoded.error().to_string();
  return {"w", std::move(encoded->stream), std::move(encoded->scales), std::move(encoded->levels), encoded->header};
}

// The CPU's weights in binary32, or its error.
inline Result<std::vector<float>> on_cpu(const Pair& pair, const Encoded& tensor,
                                         const std::optional<CudaSlice>& slice = {}) {
  NWC_ASSIGN_OR_RETURN(const TensorDecoder decoder,
                       TensorDecoder::open(tensor.name, tensor.stream, tensor.scales, tensor.levels, *pair.shared));
  uint64_t elements = decoder.header().elements();
  if (slice) elements = (slice->row_end - slice->row_begin) * (slice->column_end - slice->column_begin);
  std::vector<std::byte> out(elements * 4);
  if (slice) {
    NWC_RETURN_IF_ERROR(
        decoder.decode_slice({slice->matrix, slice->row_begin, slice->row_end, slice->column_begin, slice->column_end},
                             DType::kF32, out, 0));
  } else {
    NWC_RETURN_IF_ERROR(decoder.decode(DType::kF32, out, 0));
  }
  return floats_of(DType::kF32, out);
}

inline double relative_error(const std::vector<float>& values, const std::vector<float>& reference) {
  double error = 0, power = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    error += std::pow(double{values[i]} - reference[i], 2);
    power += std::pow(double{reference[i]}, 2);
  }
  return power == 0 ? (error == 0 ? 0 : 1) : std::sqrt(error / power);  // NaN stays NaN
}

// Every dtype: F32 to the bit, the others within 2^-8.
inline void expect_agreement(const Pair& pair, std::span<const CudaDecoder> devices, const Encoded& tensor,
                             const std::optional<CudaSlice>& slice = {}) {
  const Result<std::vector<float>> reference = on_cpu(pair, tensor, slice);
  ASSERT_TRUE(reference.ok()) << reference.error().to_string();
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16})
    for (const CudaDecoder& device : devices) {
      SCOPED_TRACE(std::string(name_of(dtype)) + (&device == devices.data() ? "" : ", oldest instructions"));
      static unsigned misalignment = 0;
      const Result<DeviceRun> run =
          DeviceRun::of(device, {&tensor}, {.dtype = dtype, .misalignment = misalignment++ % 4, .slice = slice});
      ASSERT_TRUE(run.ok()) << run.error().to_string();
      ASSERT_TRUE(run->enqueue().ok());
      const Status verdict = run->verdict();
      ASSERT_TRUE(verdict.ok()) << verdict.error().to_string();
      const std::vector<float> values = floats_of(dtype, run->weights(0));
      ASSERT_EQ(values.size(), reference->size());
      if (dtype == DType::kF32) {
        for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], (*reference)[i]) << "weight " << i;
      } else {
        const double error = relative_error(values, *reference);
        EXPECT_LT(error, dtype == DType::kF16 ? 0x1p-9 : 0x1p-8);
      }
    }
}

inline void expect_agreement(const Pair& pair, const CudaDecoder& device, const Encoded& tensor,
                             const std::optional<CudaSlice>& slice = {}) {
  expect_agreement(pair, {&device, 1}, tensor, slice);
}

}  // namespace nwc::testing
