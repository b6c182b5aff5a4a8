// Whole checkpoints, decompressed through a device and loaded to one.
#include <gtest/gtest.h>

#include <random>

#include "compress/compress.h"
#include "cuda/decode/cuda_test.h"
#include "nwcodec/cuda_checkpoint.h"
#include "nwcodec/decompress.h"
#include "nwcodec/weights.h"
#include "support/tiny_checkpoint.h"

namespace nwc {
namespace {

using Bytes = std::vector<std::byte>;

// A checkpoint decompressed through the device, and loaded to it, has the CPU's weights.
TEST(Cuda, WholeCheckpoints) {
  SKIP_WITHOUT_DEVICE();
  const testing::TinyCheckpoint checkpoint;
  CompressOptions compress{
      .model = checkpoint.model(), .output = checkpoint.out("small"), .codecs = {checkpoint.codec()}};
  ASSERT_TRUE(compress_checkpoint(compress, {}).ok());
  const Result<std::shared_ptr<DecodeBackend>> backend = cuda_decode_backend("cuda", compress.output);
  ASSERT_TRUE(backend.ok());
  for (const bool on_device : {false, true}) {
    DecompressOptions options{
        .input = compress.output, .output = checkpoint.out(on_device ? "device" : "cpu"), .dtype = DType::kF32};
    if (on_device) options.backend = *backend;
    const Result<DecompressReport> report = decompress_checkpoint(options, {});
    ASSERT_TRUE(report.ok()) << report.error().to_string();
  }
  const Result<Weights> cpu = Weights::open(checkpoint.out("cpu")), device = Weights::open(checkpoint.out("device"));
  ASSERT_TRUE(cpu.ok() && device.ok());
  const Result<CudaWeights> loaded = CudaWeights::load(compress.output, {.dtype = DType::kF32}, {});
  ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
  ASSERT_EQ(loaded->list().size(), cpu->list().size());
  for (const WeightInfo& info : cpu->list()) {
    Bytes expected(info.elements() * bits_of(info.dtype) / 8), actual(expected.size());
    ASSERT_TRUE(cpu->read(info.name, info.dtype, expected).ok());
    ASSERT_TRUE(device->read(info.name, info.dtype, actual).ok());
    EXPECT_EQ(actual, expected) << info.name;
    const CudaWeights::Tensor* const tensor = loaded->find(info.name);
    ASSERT_NE(tensor, nullptr);
    ASSERT_EQ(tensor->bytes, expected.size());
    ASSERT_EQ(cudaMemcpy(actual.data(), tensor->data, actual.size(), cudaMemcpyDeviceToHost), cudaSuccess);
    EXPECT_EQ(actual, expected) << info.name;
  }
  // And so has the compressed checkpoint itself, read through the device.
  const Result<Weights> cores = Weights::open(compress.output), through = Weights::open(compress.output, *backend);
  ASSERT_TRUE(cores.ok() && through.ok());
  for (const WeightInfo& info : cores->list()) {
    if (!is_weight_dtype(info.dtype)) continue;
    const WeightSlice slice{.row_begin = info.rows() / 3, .column_end = info.columns() / 2};
    Bytes expected((info.rows() - slice.row_begin) * slice.column_end * 4), actual(expected.size());
    ASSERT_TRUE(cores->read(info.name, slice, DType::kF32, expected).ok());
    ASSERT_TRUE(through->read(info.name, slice, DType::kF32, actual).ok());
    EXPECT_EQ(actual, expected) << info.name;
    expected.resize(info.elements() * 4);
    actual.resize(info.elements() * 4);
    ASSERT_TRUE(cores->read(info.name, DType::kF32, expected).ok());
    ASSERT_TRUE(through->read(info.name, DType::kF32, actual).ok());
    EXPECT_EQ(actual, expected) << info.name;
  }
  EXPECT_FALSE(cuda_decode_backend("cuda:x", compress.output).ok());
  EXPECT_FALSE(cuda_decode_backend("cuda:99", compress.output).ok());
}

}  // namespace
}  // namespace nwc
