// Batches of several tensors, and products with a matrix that is not decoded.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "cuda/decode/cuda_test.h"

namespace nwc {
namespace {

using testing::DeviceRun;
using testing::encode;
using testing::Encoded;
using testing::on_cpu;
using testing::Pair;
using testing::relative_error;
using testing::shipped;

TEST(Cuda, ManyTensorsInOneBatch) {
  SKIP_WITHOUT_DEVICE();
  std::mt19937 random(9);
  const Pair pair = shipped("fast-300");
  const CudaDecoder device = pair.device();
  std::vector<Encoded> tensors;
  for (int t = 0; t < 40; ++t) {
    tensors.push_back(encode(pair, {1 + random() % 200, 1 + random() % 400}, false, t % 3 == 0,
                             {.tile_chunks = 256, .run_groups = static_cast<uint16_t>(t % 5 == 0 ? 8 : 1)}, 0.001,
                             random));
  }
  std::vector<const Encoded*> views;
  for (const Encoded& t : tensors) views.push_back(&t);
  const Result<DeviceRun> run = DeviceRun::of(device, views, {});
  ASSERT_TRUE(run.ok());
  ASSERT_TRUE(run->enqueue().ok());
  ASSERT_TRUE(run->verdict().ok());
  for (size_t t = 0; t < tensors.size(); ++t) {
    EXPECT_LT(relative_error(testing::floats_of(DType::kBF16, run->weights(t)), *on_cpu(pair, tensors[t])), 0x1p-8)
        << t;
  }
}

// y = W x from the compressed bytes.
TEST(Cuda, ProductWithoutDecoding) {
  SKIP_WITHOUT_DEVICE();
  std::mt19937 random(10);
  const Pair pair = shipped("fast-300");
  const CudaDecoder device = pair.device();
  for (const auto& [rows, columns] : {std::pair<uint64_t, uint64_t>{40, 96}, {256, 1024}, {17, 32}}) {
    for (const bool both : {false, true}) {
      EncodeOptions options{.tile_chunks = 96, .run_groups = 1};
      if (both) options.normalisation.kind = Normalisation::kBoth;
      const Encoded tensor = encode(pair, {rows, columns}, false, false, options, 0, random);
      const std::vector<float> w = *on_cpu(pair, tensor);
      const Result<DeviceRun> run = DeviceRun::of(device, {&tensor}, {});
      ASSERT_TRUE(run.ok());
      for (const uint32_t batch : {1u, 5u, 8u, 16u}) {
        std::vector<uint16_t> x;
        for (const float v : testing::random_values(batch * columns, 1, random)) x.push_back(half_from_float(v));
        Result<cuda::DeviceMemory> device_x = cuda::DeviceMemory::of(x.size() * 2),
                                   device_y = cuda::DeviceMemory::of(batch * rows * 4);
        ASSERT_TRUE(device_x.ok() && device_y.ok());
        ASSERT_EQ(cudaMemcpy(device_x->data(), x.data(), x.size() * 2, cudaMemcpyHostToDevice), cudaSuccess);
        ASSERT_EQ(cudaMemset(device_y->data(), 0, device_y->size()), cudaSuccess);
        ASSERT_TRUE(run->batch()
                        .multiply(run->scratch(), device_x->data(), static_cast<float*>(device_y->data()), batch,
                                  run->status_words(), nullptr)
                        .ok());
        const Status verdict = run->verdict();
        ASSERT_TRUE(verdict.ok()) << verdict.error().to_string();
        std::vector<float> y(batch * rows), expected;
        ASSERT_EQ(cudaMemcpy(y.data(), device_y->data(), device_y->size(), cudaMemcpyDeviceToHost), cudaSuccess);
        for (uint32_t b = 0; b < batch; ++b) {
          for (uint64_t r = 0; r < rows; ++r) {
            double sum = 0;
            for (uint64_t c = 0; c < columns; ++c)
              sum += double{w[r * columns + c]} * float_from_half(x[b * columns + c]);
            expected.push_back(static_cast<float>(sum));
          }
        }
        EXPECT_LT(relative_error(y, expected), 1e-2) << rows << " x " << columns << ", batch " << batch;
      }
    }
  }
  const Encoded odd = encode(pair, {40, 90}, false, false, {.tile_chunks = 96, .run_groups = 1}, 0, random);
  EXPECT_FALSE(
      DeviceRun::of(device, {&odd}, {})->batch().multiply(nullptr, nullptr, nullptr, 1, nullptr, nullptr).ok());
}

}  // namespace
}  // namespace nwc
