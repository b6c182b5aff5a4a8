// The CUDA decoder against the CPU's: the same F32 weights, close F16 and BF16 weights. Skips without a device, as all
// of cuda_test does. Run under compute-sanitizer too (docs/results.md).
#include <gtest/gtest.h>

#include <random>

#include "codec/encode/plain_codec.h"
#include "codec/encode/trellis_codes.h"
#include "cuda/decode/cuda_test.h"
#include "nwcodec/checkpoint.h"

namespace nwc {
namespace {

using testing::DeviceRun;
using testing::encode;
using testing::Encoded;
using testing::expect_agreement;
using testing::on_cpu;
using testing::OwnedMatrix;
using testing::Pair;
using testing::random_values;
using testing::relative_error;
using testing::residual_small;
using testing::shipped;

TEST(Cuda, AgreesWithTheCpuForEveryShape) {
  SKIP_WITHOUT_DEVICE();
  std::mt19937 random(1);
  struct Case {
    std::vector<uint64_t> dims;
    bool transposed, levels;
  };
  const std::vector<Case> cases{{{48, 40}, false, false},   {{1, 300}, false, false},  {{17, 1}, false, true},
                                {{100, 333}, false, true},  {{333, 100}, true, false}, {{64, 512}, false, false},
                                {{3, 40, 70}, false, true}, {{2, 70, 33}, true, true}, {{0, 16}, false, false},
                                {{256, 1024}, false, true}, {{16, 7}, false, false}};
  std::vector<Pair> pairs;
  pairs.emplace_back(shipped("fast-300"));
  pairs.emplace_back(shipped("paper-300"));
  pairs.emplace_back(residual_small());
  pairs.emplace_back(testing::linear_codec());
  pairs.emplace_back(testing::residual_codec());
  for (size_t p = 0; p < pairs.size(); ++p) {
    const Pair& pair = pairs[p];
    const std::vector<CudaDecoder> devices = pair.devices();
    for (size_t c = 0; c < cases.size(); ++c) {
      for (const auto& [tile_chunks, run_groups] : {std::pair<uint32_t, uint16_t>{512, 1}, {2048, 64}, {96, 2}}) {
        if (p == 1 && run_groups == 2) continue;  // the network of `paper` is slow on the CPU
        SCOPED_TRACE("codec " + std::to_string(p) + ", case " + std::to_string(c) + ", tiles of " +
                     std::to_string(tile_chunks));
        EncodeOptions options{.tile_chunks = tile_chunks, .run_groups = run_groups};
        if (c % 3 == 1) options.normalisation.kind = Normalisation::kBoth;
        const Encoded tensor =
            encode(pair, cases[c].dims, cases[c].transposed, cases[c].levels, options, c % 2 == 0 ? 0.002 : 0, random);
        expect_agreement(pair, devices, tensor);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(Cuda, TensorsOfARealModel) {
  SKIP_WITHOUT_DEVICE();
  const Result<Checkpoint> model = Checkpoint::open(std::string(NWC_SOURCE_DIR) + "/models/demo");
  ASSERT_TRUE(model.ok());
  for (const char* codec : {"fast-30", "fast-1000", "paper-100"}) {
    const Pair pair = shipped(codec);
    const std::vector<CudaDecoder> devices = pair.devices();
    for (const char* name : {"model.layers.0.self_attn.k_proj.weight", "model.layers.5.mlp.down_proj.weight"}) {
      SCOPED_TRACE(std::string(codec) + ", " + name);
      const TensorView& tensor = *model->find(name).tensor;
      const WeightMatrix weights = WeightMatrix::of(tensor, false, tensor.bytes);
      Result<EncodedTensor> encoded =
          encode_tensor(weights, {}, pair.encoder, {.tile_chunks = 512, .run_groups = 1}, 0);
      ASSERT_TRUE(encoded.ok());
      expect_agreement(
          pair, devices,
          {name, std::move(encoded->stream), std::move(encoded->scales), std::move(encoded->levels), encoded->header});
    }
  }
}

TEST(Cuda, FusedKernelTakesWhatItShould) {
  SKIP_WITHOUT_DEVICE();
  std::mt19937 random(2);
  const Pair fast = shipped("fast-300");
  const CudaDecoder device = fast.device();
  const Encoded short_runs = encode(fast, {64, 512}, false, false, {.tile_chunks = 512, .run_groups = 1}, 0, random);
  const Encoded long_runs = encode(fast, {64, 512}, false, false, {.tile_chunks = 512, .run_groups = 64}, 0, random);
  const Result<DeviceRun> run = DeviceRun::of(device, {&short_runs, &long_runs}, {});
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->batch().tile_count(), 8u);
  EXPECT_EQ(run->batch().fused_tile_count(), 4u);
  EXPECT_EQ(DeviceRun::of(device, {&short_runs}, {.dtype = DType::kF32})->batch().fused_tile_count(), 0u);
  ASSERT_TRUE(run->enqueue().ok());
  EXPECT_TRUE(run->verdict().ok());
  const std::vector<float> first = *on_cpu(fast, short_runs), second = *on_cpu(fast, long_runs);
  EXPECT_LT(relative_error(testing::floats_of(DType::kBF16, run->weights(0)), first), 0x1p-8);
  EXPECT_LT(relative_error(testing::floats_of(DType::kBF16, run->weights(1)), second), 0x1p-8);
}

// As many tiles as make the fused kernel use its most warps.
TEST(Cuda, OneRoundOfTiles) {
  SKIP_WITHOUT_DEVICE();
  int multiprocessors = 0;
  ASSERT_EQ(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, 0), cudaSuccess);
  const uint64_t tiles = 28 * static_cast<uint64_t>(multiprocessors);
  std::mt19937 random(11);
  const Pair fast = shipped("fast-300");
  const CudaDecoder device = fast.device();
  const Encoded tensor = encode(fast, {512, tiles}, false, false, {.tile_chunks = 32, .run_groups = 1}, 0, random);
  const Result<DeviceRun> run = DeviceRun::of(device, {&tensor}, {});
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->batch().fused_tile_count(), tiles);
  ASSERT_TRUE(run->enqueue().ok());
  EXPECT_TRUE(run->verdict().ok());
  EXPECT_LT(relative_error(testing::floats_of(DType::kBF16, run->weights(0)), *on_cpu(fast, tensor)), 0x1p-8);
}

TEST(Cuda, Slices) {
  SKIP_WITHOUT_DEVICE();
  std::mt19937 random(3);
  const Pair pair = shipped("fast-300");
  const CudaDecoder device = pair.device();
  for (const bool transposed : {false, true}) {
    const std::vector<uint64_t> dims =
        transposed ? std::vector<uint64_t>{2, 90, 130} : std::vector<uint64_t>{2, 130, 90};
    const Encoded tensor = encode(pair, dims, transposed, true, {.tile_chunks = 64, .run_groups = 1}, 0.002, random);
    for (const CudaSlice& slice :
         {CudaSlice{1, 0, 130, 0, 90}, CudaSlice{0, 17, 18, 0, 90}, CudaSlice{1, 16, 48, 5, 77},
          CudaSlice{0, 129, 130, 89, 90}, CudaSlice{1, 5, 5, 0, 90}}) {
      expect_agreement(pair, device, tensor, slice);
    }
    EXPECT_FALSE(DeviceRun::of(device, {&tensor}, {.slice = CudaSlice{2, 0, 1, 0, 1}}).ok());
  }
}

LineScales some_lines(size_t columns, size_t rows, std::mt19937& random) {
  LineScales lines;
  const auto some = [&](size_t count, int mean, unsigned spread, std::vector<int16_t>& numbers) {
    for (size_t i = 0; i < count; ++i)
      numbers.push_back(static_cast<int16_t>(mean + static_cast<int>(random() % spread)));
  };
  some(columns, -60, 40, lines.column_steps);
  some(rows, -10, 20, lines.row_steps);
  some(columns, 40, 30, lines.column_spreads);
  some(rows, -8, 16, lines.row_spreads);
  return lines;
}

// Line scales (table rule 1): every lane of a step has a table of its own, some with raw bits.
TEST(Cuda, LineScales) {
  SKIP_WITHOUT_DEVICE();
  std::mt19937 random(15);
  EncoderCodec codec = plain_codec(64, 1.0);
  for (size_t t = 80; t < codec.decoder.tables.set.size(); t += 3) codec.decoder.tables.set[t] = {-512, 4, {}};
  for (FrequencyTable& table : codec.decoder.tables.set) {
    if (!table.frequencies.empty()) continue;
    table.frequencies.assign(64, 63);
    table.frequencies.push_back(64);
  }
  const Pair pair(codec);
  for (const CudaDecoder& device : pair.devices()) {
    for (const bool transposed : {false, true}) {
      for (const uint16_t run_groups : {uint16_t{1}, uint16_t{64}}) {
        constexpr uint64_t kMatrices = 2, kRows = 130, kColumns = 90;
        const std::vector<uint64_t> dims =
            transposed ? std::vector<uint64_t>{2, kColumns, kRows} : std::vector<uint64_t>{2, kRows, kColumns};
        const OwnedMatrix weights("w", DType::kF32, dims, random_values(kMatrices * kRows * kColumns, 0.05f, random),
                                  transposed);
        TensorGuide guide;
        guide.lines = some_lines(kMatrices * kColumns, kMatrices * kRows, random);
        const EncodeOptions options{.tile_chunks = 64, .run_groups = run_groups};
        Result<EncodedTensor> encoded = encode_tensor(weights.matrix(), guide, pair.encoder, options, 0);
        ASSERT_TRUE(encoded.ok()) << encoded.error().to_string();
        const Encoded tensor{"w", std::move(encoded->stream), std::move(encoded->scales), {}, encoded->header};
        expect_agreement(pair, device, tensor);
        expect_agreement(pair, device, tensor, CudaSlice{1, 16, 48, 5, 77});
      }
    }
  }
}

// Paths of a trellis, with raw bits, escapes, rows that pad chunks, and every number of states.
TEST(Cuda, Trellises) {
  SKIP_WITHOUT_DEVICE();
  std::mt19937 random(16);
  for (const unsigned states : {4u, 8u, 64u}) {
    const Pair pair(trellis_codec(make_trellis(states), 64, 1.0));
    for (const CudaDecoder& device : pair.devices()) {
      for (const bool transposed : {false, true}) {
        constexpr uint64_t kMatrices = 2, kRows = 130, kColumns = 90;
        const std::vector<uint64_t> dims =
            transposed ? std::vector<uint64_t>{2, kColumns, kRows} : std::vector<uint64_t>{2, kRows, kColumns};
        std::vector<float> values = random_values(kMatrices * kRows * kColumns, 0.05f, random);
        for (float& v : values) {
          if (random() % 200 == 0) v *= 300;
        }
        const OwnedMatrix weights("w", DType::kF32, dims, values, transposed);
        TensorGuide guide;
        guide.lines = some_lines(kMatrices * kColumns, kMatrices * kRows, random);
        const EncodeOptions options{.tile_chunks = 64, .rate_weight = kBestTrellisRateWeight};
        Result<EncodedTensor> encoded = encode_tensor(weights.matrix(), guide, pair.encoder, options, 0);
        ASSERT_TRUE(encoded.ok()) << encoded.error().to_string();
        EXPECT_GT(encoded->statistics.escapes, 0u);
        const Encoded tensor{"w", std::move(encoded->stream), std::move(encoded->scales), {}, encoded->header};
        expect_agreement(pair, device, tensor);
        expect_agreement(pair, device, tensor, CudaSlice{1, 16, 100, 5, 77});
      }
    }
  }
}

// A narrow table, so that nearly every symbol is an escape, some of them far outside binary16; and tables of one
// symbol.
TEST(Cuda, AllEscapesAndOneSymbol) {
  SKIP_WITHOUT_DEVICE();
  std::mt19937 random(5);
  EncoderCodec codec = shipped("fast-300").codec;
  for (FrequencyTable& table : codec.decoder.tables.set) table = {0, 0, {1, 4095}};
  const Pair narrow(codec);
  const CudaDecoder device = narrow.device();
  for (const double tail : {0.0, 0.01}) {
    const Encoded tensor = encode(narrow, {40, 200}, false, false,
                                  {.tile_chunks = 128, .run_groups = 1, .own_tables = false}, tail, random);
    expect_agreement(narrow, device, tensor);
  }
  for (FrequencyTable& table : codec.decoder.tables.set) table = {0, 0, {4095, 1}};
  const Pair one(codec);
  const CudaDecoder one_device = one.device();
  EncodeOptions options{.tile_chunks = 128, .run_groups = 1, .own_tables = false};
  const testing::OwnedMatrix zeros("w", DType::kF32, {64, 300}, std::vector<float>(64 * 300, 0.0f));
  const Result<EncodedTensor> encoded = encode_tensor(zeros.matrix(), {}, one.encoder, options, 1);
  ASSERT_TRUE(encoded.ok());
  expect_agreement(one, one_device, {"w", encoded->stream, encoded->scales, encoded->levels, encoded->header});
}

// A network that leaves binary16 everywhere: the fused kernel must fall back chunk by chunk.
TEST(Cuda, NumbersBeyondHalfPrecision) {
  SKIP_WITHOUT_DEVICE();
  std::mt19937 random(6);
  EncoderCodec codec = residual_small();
  for (float& v : codec.decoder.synthesis.in_weight) v *= 20000;
  for (float& v : codec.decoder.synthesis.out_weight) v *= 0x1p-14f;
  const Pair pair(codec);
  const CudaDecoder device = pair.device();
  const Encoded tensor = encode(pair, {40, 200}, false, false, {.tile_chunks = 128, .run_groups = 1}, 0, random);
  expect_agreement(pair, device, tensor);
}

TEST(Cuda, NumbersBeyondHalfPrecisionInTheWideNetwork) {
  SKIP_WITHOUT_DEVICE();
  std::mt19937 random(16);
  EncoderCodec codec = shipped("paper-300").codec;
  for (float& v : codec.decoder.synthesis.in_weight) v *= 20000;
  for (float& v : codec.decoder.synthesis.out_weight) v *= 0x1p-14f;
  const Pair pair(codec);
  expect_agreement(pair, pair.devices(),
                   encode(pair, {40, 200}, false, false, {.tile_chunks = 128, .run_groups = 1}, 0, random));
}

// More than every multiprocessor takes at once, an odd number of them, with tiles that end in the middle of what is
// worked on together.
TEST(Cuda, WideNetworkInSeveralRounds) {
  SKIP_WITHOUT_DEVICE();
  std::mt19937 random(17);
  const Pair pair = shipped("paper-300");
  int multiprocessors = 0;
  ASSERT_EQ(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, 0), cudaSuccess);
  const uint64_t columns = 300 * static_cast<uint64_t>(multiprocessors) + 7;
  expect_agreement(pair, pair.devices(),
                   encode(pair, {16, columns}, false, true, {.tile_chunks = 224, .run_groups = 1}, 0.0005, random));
}

}  // namespace
}  // namespace nwc
