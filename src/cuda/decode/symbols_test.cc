// The entropy decoder against the CPU's, symbol by symbol.
#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "cuda/decode/cuda_test.h"

namespace nwc {
namespace {

using testing::DeviceRun;
using testing::encode;
using testing::Encoded;
using testing::Pair;
using testing::shipped;

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

}  // namespace
}  // namespace nwc
