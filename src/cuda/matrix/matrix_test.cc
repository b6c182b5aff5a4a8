// Matrices that stay in a device's memory: their weights against the CPU decoder's, their products against binary64.
// Skips without a device.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "codec/encode/plain_codec.h"
#include "codec/encode/trellis_codes.h"
#include "cuda/decode/cuda_test.h"
#include "nwcodec/cuda_matrix.h"
#include "support/random_fisher.h"

namespace nwc {
namespace {

using cuda::DeviceMemory;
using testing::Encoded;
using testing::OwnedMatrix;
using testing::Pair;
using testing::random_values;

struct Case {
  uint64_t rows, columns;
  unsigned states = 8;
  double octaves = 0;      // of spread over step
  bool zeros = false;      // some columns
  double deviation = 0.6;  // of columns' importance
};

Encoded encode(const Case& c, const Pair& pair) {
  std::mt19937 random(11);
  std::vector<float> values = random_values(c.rows * c.columns, 0.02, random);
  for (float& v : values) {
    if (random() % 3000 == 0) v *= 200;  // escapes
  }
  for (size_t i = 0; c.zeros && i < values.size(); ++i) {
    if (i % c.columns % 7 == 0) values[i] = 0;
  }
  const OwnedMatrix owned("w", DType::kBF16, {c.rows, c.columns}, values, false);
  const WeightMatrix weights = owned.matrix();
  const StoredFisher fisher = testing::random_fisher(weights, random, c.deviation);
  const std::vector<int64_t> tokens{100};
  Result<TensorGuide> guide = make_sensitivity_guide(
      fisher, {tokens, 100}, weights, {.steps = StepRule::kSensitivity, .feedback = Feedback::kNone}, 0, nullptr);
  EXPECT_TRUE(guide.ok()) << guide.error().to_string();
  EXPECT_TRUE(settle_steps(weights, -c.octaves - 5, 0, *guide).ok());
  EncodeOptions options{.tile_chunks = 128, .run_groups = 1, .trellis_states = c.states};
  options.rate_weight = best_rate_weight(c.states);
  Result<EncodedTensor> encoded = encode_tensor(weights, *guide, pair.encoder, options, 0);
  EXPECT_TRUE(encoded.ok()) << encoded.error().to_string();
  return {"w", std::move(encoded->stream), std::move(encoded->scales), {}, encoded->header};
}

Pair codec_of(const Case& c) { return Pair(trellis_codec(make_trellis(c.states), kCentreContext, c.octaves)); }

// A tensor whose stream is in device memory.
struct OnDevice {
  explicit OnDevice(const Encoded& e) : bytes(*DeviceMemory::of((e.stream.size() + 3) / 4 * 4)) {
    cudaMemcpy(bytes.data(), e.stream.data(), e.stream.size(), cudaMemcpyHostToDevice);
    tensor = {e.name, e.stream, e.scales, e.levels, bytes.data(), nullptr, DType::kF32, {}};
  }
  DeviceMemory bytes;
  CudaTensor tensor;
};

class CudaMatrixTest : public ::testing::TestWithParam<Case> {};

TEST_P(CudaMatrixTest, HasTheCpusWeightsAndTheirProducts) {
  SKIP_WITHOUT_DEVICE();
  const Case& c = GetParam();
  const Pair pair = codec_of(c);
  const Encoded encoded = encode(c, pair);
  const CudaDecoder decoder = pair.device();
  const Result<CudaMatrices> matrices = CudaMatrices::of(decoder);
  ASSERT_TRUE(matrices.ok()) << matrices.error().to_string();
  const Result<CudaMatrix> matrix = matrices->make(OnDevice(encoded).tensor, true, nullptr);
  ASSERT_TRUE(matrix.ok()) << matrix.error().to_string();
  EXPECT_EQ(matrix->rows(), c.rows);
  EXPECT_EQ(matrix->columns(), c.columns);

  const Result<TensorDecoder> on_cpu = TensorDecoder::open("w", encoded.stream, encoded.scales, {}, *pair.shared);
  ASSERT_TRUE(on_cpu.ok());
  std::vector<float> weights;
  for (const DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
    std::vector<std::byte> expected(c.rows * c.columns * bits_of(dtype) / 8), found(expected.size());
    ASSERT_TRUE(on_cpu->decode(dtype, expected, 0).ok());
    const DeviceMemory out = *DeviceMemory::of(found.size());
    ASSERT_TRUE(matrix->decode(out.data(), dtype, nullptr).ok());
    ASSERT_EQ(cudaMemcpy(found.data(), out.data(), found.size(), cudaMemcpyDeviceToHost), cudaSuccess);
    EXPECT_TRUE(found == expected) << name_of(dtype);
    weights = testing::floats_of(dtype, expected);
  }

  std::mt19937 random(3);
  const DeviceMemory workspace = *DeviceMemory::of(matrix->workspace_bytes());
  ASSERT_EQ(cudaMemset(workspace.data(), 0, workspace.size()), cudaSuccess);
  for (const auto& [batch, dtype] : {std::pair(1u, DType::kF16), std::pair(3u, DType::kBF16),
                                     std::pair(8u, DType::kF32), std::pair(16u, DType::kF16)}) {
    const OwnedMatrix vectors("x", dtype, {batch, c.columns}, random_values(batch * c.columns, 1, random));
    const std::vector<std::byte>& bytes = vectors.bytes();
    const std::vector<float> x = testing::floats_of(dtype, bytes);
    const DeviceMemory device_x = *DeviceMemory::of(bytes.size()), device_y = *DeviceMemory::of(batch * c.rows * 4);
    cudaMemcpy(device_x.data(), bytes.data(), bytes.size(), cudaMemcpyHostToDevice);
    std::vector<float> y(batch * c.rows), again(y.size());
    for (std::vector<float>* to : {&y, &again}) {
      cudaMemset(device_y.data(), 0xFF, device_y.size());
      ASSERT_TRUE(
          matrix
              ->multiply(device_x.data(), dtype, static_cast<float*>(device_y.data()), batch, workspace.data(), nullptr)
              .ok());
      ASSERT_EQ(cudaMemcpy(to->data(), device_y.data(), device_y.size(), cudaMemcpyDeviceToHost), cudaSuccess);
    }
    EXPECT_EQ(y, again);
    for (uint32_t b = 0; b < batch; ++b) {
      for (uint64_t r = 0; r < c.rows; ++r) {
        double sum = 0, size = 0;
        for (uint64_t k = 0; k < c.columns; ++k) {
          const double term = double{weights[r * c.columns + k]} * x[b * c.columns + k];
          sum += term;
          size += term * term;
        }
        ASSERT_NEAR(y[b * c.rows + r], sum, 0x1p-9 * std::sqrt(size) + 1e-30) << b << " " << r;
      }
    }
  }
  EXPECT_EQ(matrix->multiply(nullptr, DType::kF16, nullptr, 0, nullptr, nullptr).error().code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(matrix->multiply(nullptr, DType::kF16, nullptr, 17, nullptr, nullptr).error().code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(matrix->multiply(nullptr, DType::kU8, nullptr, 1, nullptr, nullptr).error().code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(matrix->decode(nullptr, DType::kU8, nullptr).error().code(), ErrorCode::kInvalidArgument);
}

const Case kCases[] = {
    {.rows = 64, .columns = 64},
    {.rows = 1, .columns = 128},
    {.rows = 200, .columns = 320},
    {.rows = 200, .columns = 320, .zeros = true},
    {.rows = 200, .columns = 320, .octaves = 2},
    {.rows = 130, .columns = 192, .octaves = -2},
    {.rows = 130, .columns = 192, .octaves = 4},  // many corrections
    {.rows = 96, .columns = 128},
    {.rows = 200, .columns = 1024, .deviation = 2.5},
    {.rows = 700, .columns = 4096},
    {.rows = 5000, .columns = 1024},
};
INSTANTIATE_TEST_SUITE_P(Cases, CudaMatrixTest, ::testing::ValuesIn(kCases),
                         [](const ::testing::TestParamInfo<Case>& info) { return std::to_string(info.index); });

TEST(CudaMatricesTest, NumbersThatAreNotFiniteStaySo) {
  SKIP_WITHOUT_DEVICE();
  const Case c{.rows = 70, .columns = 128};
  const Pair pair = codec_of(c);
  const Encoded encoded = encode(c, pair);
  const CudaDecoder decoder = pair.device();
  const Result<CudaMatrices> matrices = CudaMatrices::of(decoder);
  ASSERT_TRUE(matrices.ok());
  const Result<CudaMatrix> matrix = matrices->make(OnDevice(encoded).tensor, true, nullptr);
  ASSERT_TRUE(matrix.ok());
  std::vector<float> x(c.columns, 1.0f), y(c.rows);
  x[77] = NAN;
  const DeviceMemory workspace = *DeviceMemory::of(matrix->workspace_bytes()),
                     device_x = *DeviceMemory::of(x.size() * 4), device_y = *DeviceMemory::of(y.size() * 4);
  cudaMemset(workspace.data(), 0, workspace.size());
  cudaMemcpy(device_x.data(), x.data(), device_x.size(), cudaMemcpyHostToDevice);
  ASSERT_TRUE(
      matrix->multiply(device_x.data(), DType::kF32, static_cast<float*>(device_y.data()), 1, workspace.data(), nullptr)
          .ok());
  ASSERT_EQ(cudaMemcpy(y.data(), device_y.data(), device_y.size(), cudaMemcpyDeviceToHost), cudaSuccess);
  for (const float v : y) EXPECT_TRUE(std::isnan(v));
}

TEST(CudaMatricesTest, RefusesWhatItCannotHold) {
  SKIP_WITHOUT_DEVICE();
  const Pair without = testing::shipped("fast-300"), other = codec_of({.rows = 0, .columns = 0, .states = 4});
  EXPECT_EQ(CudaMatrices::of(without.device()).error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(CudaMatrices::of(other.device()).error().code(), ErrorCode::kUnsupported);
  const Pair pair = codec_of({});
  const CudaDecoder decoder = pair.device();
  const Result<CudaMatrices> matrices = CudaMatrices::of(decoder);
  ASSERT_TRUE(matrices.ok());
  const Encoded narrow = encode({.rows = 64, .columns = 65}, pair);
  EXPECT_EQ(matrices->make(OnDevice(narrow).tensor, true, nullptr).error().code(), ErrorCode::kUnsupported);
  Encoded damaged = encode({.rows = 64, .columns = 64}, pair);
  damaged.stream.back() ^= std::byte{1};
  EXPECT_EQ(matrices->make(OnDevice(damaged).tensor, true, nullptr).error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace nwc
