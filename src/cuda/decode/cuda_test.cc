// The CUDA decoder against the CPU's: the same symbols, the same F32 weights, close F16 and BF16 weights, the same
// verdicts. Skips without a device. Run under compute-sanitizer too (docs/results.md).
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

#include "base/bytes.h"
#include "base/hash.h"
#include "compress/compress.h"
#include "cuda/decode/hooks.h"
#include "cuda/support/device_test.h"
#include "decode/tensor_decoder.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/cuda_checkpoint.h"
#include "nwcodec/weights.h"
#include "support/tiny_checkpoint.h"
#include "support/tiny_codec.h"

namespace nwc {
namespace {

using testing::DeviceRun;
using testing::Encoded;
using Bytes = std::vector<std::byte>;

#define SKIP_WITHOUT_DEVICE() \
  if (cuda_device_count() == 0) GTEST_SKIP() << "no CUDA device"

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

Pair shipped(const std::string& name) {
  Result<EncoderCodec> codec = read_encoder_codec(std::string(NWC_SOURCE_DIR) + "/codecs/" + name + ".safetensors");
  EXPECT_TRUE(codec.ok());
  return Pair(*std::move(codec));
}

// fast-300 with two residual blocks of width 32 instead of its linear map: the same map on the first 16 units, and
// random features that disturb it a little.
EncoderCodec residual_fast() {
  EncoderCodec codec = shipped("fast-300").codec;
  TransformWeights& w = codec.decoder.synthesis;
  const TransformWeights linear = w;
  std::mt19937 random(77);
  constexpr size_t kWidth = 32;
  w.width = kWidth, w.depth = 2, w.embedding_sets = 2;
  w.in_weight = testing::random_values(kWidth * w.inputs, 0.05f, random);
  for (size_t i = 0; i < 16; ++i) {
    for (size_t k = 0; k < 16; ++k) w.in_weight[i * 16 + k] = i == k ? 1.0f : 0.0f;
  }
  w.in_bias.assign(kWidth, 0.0f);
  for (int b = 0; b < 2; ++b) {
    w.blocks.push_back({testing::random_values(kWidth * kWidth, 0.2f, random),
                        testing::random_values(kWidth, 0.1f, random), testing::random_values(kWidth, 0.02f, random),
                        testing::random_values(kWidth, 0.02f, random)});
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

Encoded encode(const Pair& pair, const std::vector<uint64_t>& dims, bool transposed, bool levels, EncodeOptions options,
               double tail, std::mt19937& random) {
  uint64_t elements = 1;
  for (const uint64_t d : dims) elements *= d;
  std::vector<float> values = testing::random_values(elements, 0.02, random);
  for (float& v : values) {
    if (tail > 0 && random() % 1000 < 1000 * tail) v *= 30;
  }
  const testing::OwnedMatrix m("w", DType::kF32, dims, values, transposed);
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
Result<std::vector<float>> on_cpu(const Pair& pair, const Encoded& tensor, const std::optional<CudaSlice>& slice = {}) {
  NWC_ASSIGN_OR_RETURN(const TensorDecoder decoder,
                       TensorDecoder::open(tensor.name, tensor.stream, tensor.scales, tensor.levels, *pair.shared));
  uint64_t elements = decoder.header().elements();
  if (slice) elements = (slice->row_end - slice->row_begin) * (slice->column_end - slice->column_begin);
  Bytes out(elements * 4);
  if (slice) {
    NWC_RETURN_IF_ERROR(
        decoder.decode_slice({slice->matrix, slice->row_begin, slice->row_end, slice->column_begin, slice->column_end},
                             DType::kF32, out, 0));
  } else {
    NWC_RETURN_IF_ERROR(decoder.decode(DType::kF32, out, 0));
  }
  return testing::floats_of(DType::kF32, out);
}

double relative_error(const std::vector<float>& values, const std::vector<float>& reference) {
  double error = 0, power = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    error += std::pow(double{values[i]} - reference[i], 2);
    power += std::pow(double{reference[i]}, 2);
  }
  return power == 0 ? (error == 0 ? 0 : 1) : std::sqrt(error / power);  // NaN stays NaN
}

// Every dtype: F32 to the bit, the others within 2^-8.
void expect_agreement(const Pair& pair, std::span<const CudaDecoder> devices, const Encoded& tensor,
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
      const std::vector<float> values = testing::floats_of(dtype, run->weights(0));
      ASSERT_EQ(values.size(), reference->size());
      if (dtype == DType::kF32) {
        for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], (*reference)[i]) << "weight " << i;
      } else {
        const double error = relative_error(values, *reference);
        EXPECT_LT(error, dtype == DType::kF16 ? 0x1p-9 : 0x1p-8);
      }
    }
}

void expect_agreement(const Pair& pair, const CudaDecoder& device, const Encoded& tensor,
                      const std::optional<CudaSlice>& slice = {}) {
  expect_agreement(pair, {&device, 1}, tensor, slice);
}

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
  pairs.emplace_back(residual_fast());
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
      const WeightMatrix weights = WeightMatrix::of(*model->find(name).tensor, false);
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

// Symbol by symbol, on tiles of every length.
TEST(Cuda, SymbolsAreTheCpus) {
  SKIP_WITHOUT_DEVICE();
  std::mt19937 random(4);
  const Pair pair = shipped("fast-300");
  const CudaDecoder device = pair.device();
  for (const auto& [rows, columns] :
       {std::pair<uint64_t, uint64_t>{16, 1}, {16, 31}, {16, 33}, {64, 1000}, {1, 4097}}) {
    for (const double tail : {0.0, 0.01, 1.0}) {
      const Encoded tensor = encode(pair, {rows, columns}, false, false,
                                    {.tile_chunks = 512, .run_groups = 1, .own_tables = tail < 1}, tail, random);
      const Result<DeviceRun> run = DeviceRun::of(device, {&tensor}, {});
      ASSERT_TRUE(run.ok());
      Result<cuda::DeviceMemory> memory = cuda::DeviceMemory::of(cuda::DecoderHooks::symbol_bytes(run->batch()));
      ASSERT_TRUE(memory.ok());
      ASSERT_TRUE(cuda::DecoderHooks::decode_symbols(
                      run->batch(), run->scratch(), static_cast<uint8_t*>(memory->data()), run->status_words(), nullptr)
                      .ok());
      ASSERT_TRUE(run->verdict().ok());
      std::vector<uint8_t> symbols(memory->size());
      ASSERT_EQ(cudaMemcpy(symbols.data(), memory->data(), symbols.size(), cudaMemcpyDeviceToHost), cudaSuccess);

      const Result<TensorDecoder> decoder =
          TensorDecoder::open("w", tensor.stream, tensor.scales, tensor.levels, *pair.shared);
      ASSERT_TRUE(decoder.ok());
      size_t first = 0;
      for (uint64_t t = 0; t < decoder->parsed().tiles.size(); ++t) {
        const ParsedStream::Tile& tile = decoder->parsed().tiles[t];
        const uint32_t chunks = decoder->tiling().tile(t).chunks;
        const size_t stride = (chunks + 31) / 32 * 32;
        std::vector<Context> contexts(16);
        std::iota(contexts.begin(), contexts.end(), Context{0});
        std::vector<uint8_t> expected(16 * stride);
        std::vector<uint16_t> raws(16 * stride);
        std::vector<Escape> escapes;
        std::vector<Patch> patches;
        const TileJob job{std::span(tensor.stream).subspan(tile.offset, tile.size),
                          {contexts.data()},
                          expected.data(),
                          raws.data(),
                          &escapes,
                          &patches};
        ASSERT_TRUE(decode_tiles({&job, 1}, decoder->tables(), {16, chunks, 1, 16}, Isa::kScalar, stride).ok());
        for (unsigned c = 0; c < 16; ++c) {
          const uint32_t moved = 255 - decoder->tables().symbols(contexts[c]).escape();
          for (uint32_t i = 0; i < chunks; ++i)
            ASSERT_EQ(symbols[(first + i) * 16 + c], expected[c * stride + i] + moved)
                << "tile " << t << " chunk " << i << " channel " << c;
        }
        first += stride;
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
  EncoderCodec codec = residual_fast();
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

// Streams changed at random behind sound checksums: the GPU accepts what the CPU accepts, and decodes it alike.
void compare_verdicts(const Pair& pair, uint16_t run_groups, int rounds, std::mt19937& random) {
  const CudaDecoder device = pair.device();
  const Encoded tensor =
      encode(pair, {50, 40}, false, true, {.tile_chunks = 32, .run_groups = run_groups}, 0.01, random);
  const Result<ParsedStream> parsed = parse_stream(tensor.stream);
  ASSERT_TRUE(parsed.ok());
  int accepted = 0, refused_on_device = 0;
  for (int round = 0; round < rounds; ++round) {
    Encoded bad = tensor;
    StreamHeader header = parsed->header;
    Bytes own(parsed->own_tables.begin(), parsed->own_tables.end());
    std::vector<Bytes> tiles;
    for (const ParsedStream::Tile& tile : parsed->tiles) {
      tiles.emplace_back(tensor.stream.begin() + static_cast<ptrdiff_t>(tile.offset),
                         tensor.stream.begin() + static_cast<ptrdiff_t>(tile.offset + tile.size));
    }
    const auto spoil = [&](Bytes& part) {
      if (part.empty()) return;
      if (random() % 4 == 0) part.resize(random() % part.size());
      if (!part.empty()) part[random() % part.size()] ^= static_cast<std::byte>(1u << random() % 8);
    };
    switch (random() % 8) {
      case 0: spoil(own); break;
      case 1: spoil(bad.scales); break;
      case 2: spoil(bad.levels); break;
      case 3: header.rows = 1 + random() % 64; break;
      case 4: break;
      default: spoil(tiles[random() % tiles.size()]); break;
    }
    header.scales_hash = xxh3(bad.scales);
    header.levels_hash = header.has_levels ? xxh3(bad.levels) : 0;
    std::vector<TileIndexEntry> index;
    for (size_t t = 0; t < tiles.size(); ++t)
      index.push_back({static_cast<uint32_t>(tiles[t].size()), tile_checksum(tiles[t], header.tensor_id, t)});
    bad.stream = serialise_stream_head(header, own, index);
    for (const Bytes& tile : tiles) bad.stream.insert(bad.stream.end(), tile.begin(), tile.end());
    bad.header = header;

    const Result<std::vector<float>> reference = on_cpu(pair, bad);
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      const Result<DeviceRun> run =
          DeviceRun::of(device, {&bad}, {.dtype = dtype, .misalignment = static_cast<unsigned>(random() % 4)});
      Status verdict;
      if (!run) {
        verdict = run.error();
      } else {
        ASSERT_TRUE(run->enqueue().ok());
        verdict = run->verdict();
        if (!verdict) ++refused_on_device;
      }
      ASSERT_EQ(verdict.ok(), reference.ok())
          << "round " << round << ": " << (verdict.ok() ? reference.error().to_string() : verdict.error().to_string());
      if (!verdict) continue;
      ++accepted;
      const std::vector<float> values = testing::floats_of(dtype, run->weights(0));
      if (dtype == DType::kF32) {
        ASSERT_EQ(values, *reference) << "round " << round;
      } else {  // nonsense may cancel, so that binary16 shows; it must not be something else altogether
        ASSERT_LT(relative_error(values, *reference), 0x1p-6) << "round " << round;
      }
    }
  }
  EXPECT_GT(accepted, rounds / 20);
  EXPECT_GT(refused_on_device, rounds / 20);
}

TEST(Cuda, NonsenseBehindSoundChecksums) {
  SKIP_WITHOUT_DEVICE();
  std::mt19937 random(7);
  compare_verdicts(shipped("fast-300"), 1, 300, random);
  if (HasFatalFailure()) return;
  compare_verdicts(Pair(testing::residual_codec()), 2, 300, random);
  if (HasFatalFailure()) return;
  compare_verdicts(shipped("paper-300"), 1, 60, random);
}

// What checksums catch is refused while planning; with them left out, the decoder itself refuses nearly every flip and
// survives the rest.
TEST(Cuda, FlippedBits) {
  SKIP_WITHOUT_DEVICE();
  std::mt19937 random(8);
  const Pair pair = shipped("fast-300");
  const CudaDecoder device = pair.device();
  const Encoded tensor = encode(pair, {64, 128}, false, false, {.tile_chunks = 128, .run_groups = 1}, 0.005, random);
  int refused = 0;
  constexpr int kRounds = 300;
  for (int round = 0; round < kRounds; ++round) {
    Encoded bad = tensor;
    const size_t tiles_at = parse_stream(tensor.stream)->tiles[0].offset;
    bad.stream[tiles_at + random() % (bad.stream.size() - tiles_at)] ^= static_cast<std::byte>(1u << random() % 8);
    EXPECT_FALSE(DeviceRun::of(device, {&bad}, {}).ok());
    const Result<DeviceRun> run = DeviceRun::of(device, {&bad}, {.verify = false});
    ASSERT_TRUE(run.ok());
    ASSERT_TRUE(run->enqueue().ok());
    if (!run->verdict()) ++refused;
  }
  EXPECT_GT(refused, kRounds * 9 / 10);
}

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
